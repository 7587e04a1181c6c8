import { expect, test } from 'vitest';
import { classifyPublishError } from '../../../src/sns/classify.js';

/** As the SDK throws them: a class name with a suffix, SNS's own code, the status. */
const sdk = (name: string, status: number, extra: Record<string, unknown> = {}) =>
  Object.assign(new Error('x'), { name, $metadata: { httpStatusCode: status }, ...extra });
const system = (code: string, message = 'x') => Object.assign(new Error(message), { code });

test.each<[string, unknown, string]>([
  ['Throttled', sdk('ThrottledException', 429, { Code: 'Throttled' }), 'throttled'],
  ['ThrottlingException', sdk('ThrottlingException', 400), 'throttled'],
  ['KMSThrottling', sdk('KMSThrottlingException', 400, { Code: 'KMSThrottling' }), 'throttled'],
  ['an unknown 429', sdk('Busy', 429), 'throttled'],
  ['ECONNREFUSED', system('ECONNREFUSED'), 'definite-transport'],
  ['ENOTFOUND', system('ENOTFOUND'), 'definite-transport'],
  ['an expired certificate', system('CERT_HAS_EXPIRED'), 'definite-transport'],
  [
    'TLS cut off',
    system('ECONNRESET', 'Client network socket disconnected before secure TLS connection was established'),
    'definite-transport',
  ],
  [
    'no connection in time',
    Object.assign(new Error('the request socket did not establish a connection with the server within 1000 ms.'), {
      name: 'TimeoutError',
    }),
    'definite-transport',
  ],
  ['reset', system('ECONNRESET', 'socket hang up'), 'ambiguous'],
  ['time-out', Object.assign(system('ETIMEDOUT'), { name: 'TimeoutError' }), 'ambiguous'],
  ['aborted', Object.assign(new Error('x'), { name: 'AbortError' }), 'ambiguous'],
  ['500', sdk('InternalErrorException', 500, { Code: 'InternalError' }), 'ambiguous'],
  ['503', sdk('Unknown', 503), 'ambiguous'],
  ['an answer that is no XML', new SyntaxError('x'), 'ambiguous'],
  ['no error object', 'x', 'ambiguous'],
  ['ExpiredToken', sdk('ExpiredTokenException', 403, { Code: 'ExpiredToken' }), 'identity'],
  ['SignatureDoesNotMatch', sdk('SignatureDoesNotMatch', 403), 'identity'],
  ['RequestExpired', sdk('RequestExpired', 400), 'identity'],
  ['no credentials', Object.assign(new Error('x'), { name: 'CredentialsProviderError' }), 'identity'],
  ['NotFound', sdk('NotFoundException', 404, { Code: 'NotFound' }), 'configuration'],
  ['AuthorizationError', sdk('AuthorizationErrorException', 403), 'configuration'],
  ['KMSAccessDenied', sdk('KMSAccessDeniedException', 400), 'configuration'],
  ['EndpointDisabled', sdk('EndpointDisabledException', 400), 'configuration'],
  ['a refusal without a name', sdk('NeverHeardOf', 400), 'configuration'],
  ['InvalidParameter', sdk('InvalidParameterException', 400, { Code: 'InvalidParameter' }), 'payload'],
  ['ValidationException', sdk('ValidationException', 400), 'payload'],
])('%s', (_name, error, failure) => {
  expect(classifyPublishError(error).failure).toBe(failure);
});

test('a parameter that is the topic is configuration', () => {
  const error = Object.assign(sdk('InvalidParameterException', 400), { message: 'Invalid parameter: TopicArn' });
  expect(classifyPublishError(error)).toEqual({ failure: 'configuration', code: 'InvalidParameter' });
});

test('what the network sends is no log line', () => {
  expect(classifyPublishError(sdk('Mrs Verma\n', 400))).toEqual({ failure: 'configuration', code: 'unknown' });
});
