// kafkajs's log in our words: levels, an allow-list of fields, repeats.
import { expect, test } from 'vitest';
import { clientLog } from '../../../src/kafka/client-log.js';
import { grantError, isFatal, kafkaErrorType, producerError } from '../../../src/kafka/errors.js';
import { recordingLogger } from '../../helpers/recorders.js';

const ERROR = 1;
const WARN = 2;
const INFO = 4;

function setup() {
  const log = recordingLogger();
  let now = 0;
  const clock = { nowMs: () => now, monotonicMs: () => now, sleep: async () => undefined };
  const write = clientLog(log, clock)();
  const say = (level: number, message: string, extra: object = {}) =>
    write({ namespace: 'Connection', level, label: '', log: { timestamp: '', message, ...extra } });
  return {
    say,
    levels: () => log.lines.map(({ level }) => level),
    lines: log.lines,
    advance: (ms: number) => {
      now += ms;
    },
  };
}

test('the ordinary is debug, what kafkajs retries a warning, and a repeat within ten seconds debug', () => {
  const { say, levels, advance } = setup();
  say(INFO, 'Pausing fetching from 1 topics');
  say(ERROR, 'Response AddPartitionsToTxn', {
    error: 'another concurrent operation on the same transaction was ongoing',
  });
  say(ERROR, 'Response FindCoordinator', { error: 'The group coordinator is not available' });
  say(WARN, 'The group is rebalancing, re-joining');
  expect(levels()).toEqual(['debug', 'debug', 'debug', 'debug']);
  say(ERROR, 'Connection error: connect ECONNREFUSED');
  say(ERROR, 'Connection error: connect ECONNREFUSED');
  advance(11_000);
  say(ERROR, 'Connection error: connect ECONNREFUSED');
  expect(levels().slice(4)).toEqual(['warn', 'debug', 'warn']);
});

test('only fields of the list are passed on, and none at any length', () => {
  const { say, lines } = setup();
  say(WARN, 'x'.repeat(1_000), { broker: 'k1:9092', retryCount: 3, payload: 'Jane Doe', error: new Error('Jane Doe') });
  expect(lines[0]?.event).toBe('kafka.client');
  expect(lines[0]?.fields).toEqual({
    from: 'Connection',
    text: `${'x'.repeat(300)}…`,
    broker: 'k1:9092',
    retryCount: 3,
  });
});

test('the code of a failure is found under its causes, and decides what it is', () => {
  const protocol = (type: string) => Object.assign(new Error(type), { name: 'KafkaJSProtocolError', type });
  const wrapped = (error: Error) =>
    Object.assign(new Error('retries', { cause: error }), { name: 'KafkaJSNumberOfRetriesExceeded' });
  expect(kafkaErrorType(wrapped(protocol('NOT_ENOUGH_REPLICAS')))).toBe('NOT_ENOUGH_REPLICAS');
  expect(kafkaErrorType({ name: 'KafkaJSAggregateError', errors: [protocol('INVALID_CONFIG')] })).toBe(
    'INVALID_CONFIG',
  );
  expect(kafkaErrorType(wrapped(Object.assign(new Error('x'), { name: 'KafkaJSConnectionError' })))).toBe(
    'KafkaJSConnectionError',
  );
  expect(producerError(wrapped(protocol('INVALID_PRODUCER_EPOCH')), 'transaction of a').name).toBe('FencedError');
  expect(producerError(protocol('NETWORK_EXCEPTION'), 'transaction of a')).toMatchObject({
    name: 'KafkaOutcomeUnknownError',
    message: 'transaction of a failed: NETWORK_EXCEPTION',
  });
  expect(isFatal(wrapped(protocol('GROUP_AUTHORIZATION_FAILED')))).toBe(true);
  expect(isFatal(protocol('GROUP_LOAD_IN_PROGRESS'))).toBe(false);
});

test.each([
  ['TOPIC_AUTHORIZATION_FAILED', 'create', 'CREATE on topic ww.vital-info'],
  ['TOPIC_AUTHORIZATION_FAILED', 'read', 'READ and DESCRIBE on topic ww.vital-info'],
  ['GROUP_AUTHORIZATION_FAILED', 'read', 'READ and DESCRIBE on group ww.vital-info'],
  ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'write', 'WRITE and DESCRIBE on transactional id ww.vital-info'],
  ['CLUSTER_AUTHORIZATION_FAILED', 'write', 'IDEMPOTENT_WRITE on the cluster'],
] as const)('%s on %s names the grant', (type, need, grant) => {
  expect(grantError({ type }, need, 'ww.vital-info')?.message).toContain(grant);
  expect(grantError({ type: 'OTHER' }, need, 'x')).toBeUndefined();
});
