// Which class of failure an error of SNS or of the way there is (alerts.md, Delivery). When in doubt: it may have been accepted.
import type { FailureClass } from '../domain/notification.js';

/** SNS's error codes, with and without the suffix that the SDK adds. */
const CODES: Readonly<Record<string, FailureClass>> = {
  Throttled: 'throttled',
  Throttling: 'throttled',
  KMSThrottling: 'throttled',
  RequestLimitExceeded: 'throttled',
  TooManyRequests: 'throttled',
  ExpiredToken: 'identity',
  RequestExpired: 'identity',
  RequestTimeTooSkewed: 'identity',
  SignatureDoesNotMatch: 'identity',
  IncompleteSignature: 'identity',
  InvalidClientTokenId: 'identity',
  UnrecognizedClient: 'identity',
  MissingAuthenticationToken: 'identity',
  CredentialsProviderError: 'identity',
  TokenProviderError: 'identity',
  NotFound: 'configuration',
  ResourceNotFound: 'configuration',
  AuthorizationError: 'configuration',
  AccessDenied: 'configuration',
  OptInRequired: 'configuration',
  EndpointDisabled: 'configuration',
  PlatformApplicationDisabled: 'configuration',
  InvalidSecurity: 'configuration',
  KMSAccessDenied: 'configuration',
  KMSDisabled: 'configuration',
  KMSInvalidState: 'configuration',
  KMSNotFound: 'configuration',
  KMSOptInRequired: 'configuration',
  InvalidParameter: 'payload',
  InvalidParameterValue: 'payload',
  ParameterValueInvalid: 'payload',
  ValidationError: 'payload',
  Validation: 'payload',
  InternalError: 'ambiguous',
  InternalFailure: 'ambiguous',
  ServiceUnavailable: 'ambiguous',
};

/** The system's error codes of a connection that never carried the request: name lookup, connect, TLS handshake. */
const BEFORE_WRITE = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EADDRNOTAVAIL',
  'EPROTO',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** The only sign of these two is the text: Node's for a handshake that was cut off, the SDK's for its connection time-out. */
const BEFORE_WRITE_TEXT = /before secure TLS connection was established|did not establish a connection/;
/** InvalidParameter about the topic is a wrong setting: another text of the message would not help. */
const ABOUT_THE_TOPIC = /\b(TopicArn|TargetArn)\b/;

export interface Classified {
  readonly failure: FailureClass;
  /** A name for the log: SNS's code or the system's, never a message. */
  readonly code: string;
}

/** Any error that the SDK's `send` may throw. */
export function classifyPublishError(error: unknown): Classified {
  if (!(error instanceof Error)) return { failure: 'ambiguous', code: 'unknown' };
  const { code, Code, $metadata, $response, message } = error as SdkError;
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  const name = [Code, error.name].map((one) => (one ?? '').replace(/(Exception|Error)$/, ''));
  const exact = [Code ?? '', error.name, ...name].find((one) => one in CODES);
  if (exact !== undefined) {
    const failure = CODES[exact] ?? 'ambiguous';
    return { failure: failure === 'payload' && ABOUT_THE_TOPIC.test(message) ? 'configuration' : failure, code: exact };
  }
  if (status !== undefined && status >= 400) {
    const label = safeName(Code ?? error.name);
    if (status === 429) return { failure: 'throttled', code: label };
    if (status >= 500) return { failure: 'ambiguous', code: label };
    // Refused for a reason that we have no name for: kept, and driven again until somebody has looked.
    return { failure: 'configuration', code: label };
  }
  if (typeof code === 'string' && BEFORE_WRITE.has(code)) return { failure: 'definite-transport', code };
  if (BEFORE_WRITE_TEXT.test(message))
    return { failure: 'definite-transport', code: safeName(code ?? 'ConnectTimeout') };
  return { failure: 'ambiguous', code: safeName(code ?? error.name) };
}

interface SdkError extends Error {
  readonly code?: string;
  readonly Code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly statusCode?: number };
}

/** Codes come from the network: only what looks like one is passed on. */
function safeName(name: string): string {
  return /^[A-Za-z0-9_.]{1,60}$/.test(name) ? name : 'unknown';
}
