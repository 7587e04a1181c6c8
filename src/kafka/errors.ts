// What can go wrong with Kafka, as classes that callers tell apart, and words for a missing grant.

/** Another producer has taken the transactional id (or the broker has aborted ours): give up what it guarded. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}

/** A transaction or a send failed, and whether its records count is unknown: throw the producer away and own anew. */
export class KafkaOutcomeUnknownError extends Error {
  override readonly name = 'KafkaOutcomeUnknownError';
}

/** A record that no broker of ours takes: larger than max.message.bytes allows. */
export class RecordTooLargeError extends Error {
  override readonly name = 'RecordTooLargeError';
}

/** The position lies outside what the partition holds: records were lost, and only a person may accept that. */
export class PositionLostError extends Error {
  override readonly name = 'PositionLostError';
  readonly topic: string;
  readonly partition: number;
  readonly expected: number;
  /** What the partition holds now: from `start` up to, not including, `end`. */
  readonly start: number;
  readonly end: number;

  constructor(at: { topic: string; partition: number; expected: number; start: number; end: number }) {
    const where = `${at.topic} partition ${at.partition}`;
    const what =
      at.expected < at.start
        ? `needs offset ${at.expected}, but ${where} begins at ${at.start}: ${at.start - at.expected} offsets were deleted before they were handled. Accept it with \`wardwatch position skip --topic ${at.topic} --partition ${at.partition} --to ${at.start} --reason …\``
        : `needs offset ${at.expected}, but ${where} ends at ${at.end}: it was truncated or made anew. Find out which before anything else`;
    super(what);
    this.topic = at.topic;
    this.partition = at.partition;
    this.expected = at.expected;
    this.start = at.start;
    this.end = at.end;
  }
}

/** A right on Kafka is missing; the message names the grant and how to give it. */
export class KafkaGrantError extends Error {
  override readonly name = 'KafkaGrantError';
}

/** A group's offset can't be set while it has members. */
export class GroupInUseError extends Error {
  override readonly name = 'GroupInUseError';
}

/** Reading a partition did not come to its end within the time-out. */
export class PartitionReadTimeoutError extends Error {
  override readonly name = 'PartitionReadTimeoutError';
}

/** What kafkajs's errors carry; the code that counts may lie several causes deep. */
interface KafkaJsErrorLike {
  readonly name?: string;
  readonly type?: string;
  readonly code?: number | string;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
}

const CAUSES_DEEP = 8;

/** Kafka's name of the error (`TOPIC_AUTHORIZATION_FAILED`), or kafkajs's class where Kafka said nothing. */
export function kafkaErrorType(error: unknown): string {
  let name = 'unknown';
  let at = error as KafkaJsErrorLike | undefined;
  for (let depth = 0; at && typeof at === 'object' && depth < CAUSES_DEEP; depth += 1) {
    if (at.type) return at.type;
    if (at.name) name = at.name;
    at = (at.errors?.[0] ?? at.cause) as KafkaJsErrorLike | undefined;
  }
  return name;
}

const FENCED = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'TRANSACTION_COORDINATOR_FENCED']);

/** The error of a failed transaction or send as one of ours. */
export function producerError(error: unknown, what: string): Error {
  if (error instanceof RecordTooLargeError) return error;
  const type = kafkaErrorType(error);
  if (FENCED.has(type)) return new FencedError(`${what}: ${type}`, { cause: error });
  return grantError(error, 'write', what) ?? new KafkaOutcomeUnknownError(`${what} failed: ${type}`, { cause: error });
}

/** Errors that waiting does not mend. */
const FATAL = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'INCONSISTENT_GROUP_PROTOCOL',
  'INVALID_GROUP_ID',
  'INVALID_SESSION_TIMEOUT',
  'INVALID_TOPIC_EXCEPTION',
  'UNSUPPORTED_VERSION',
  'UNSUPPORTED_SASL_MECHANISM',
  'SASL_AUTHENTICATION_FAILED',
  'KafkaJSSASLAuthenticationError',
  'KafkaJSServerDoesNotSupportApiKey',
]);

export function isFatal(error: unknown): boolean {
  return FATAL.has(kafkaErrorType(error));
}

/** A missing grant in words, or undefined where the error is another one. `what` names the topic, group or id. */
export function grantError(error: unknown, need: 'read' | 'write' | 'create' | 'describe', what: string) {
  const type = kafkaErrorType(error);
  const operations = {
    read: 'READ and DESCRIBE',
    write: 'WRITE and DESCRIBE',
    create: 'CREATE',
    describe: 'DESCRIBE and DESCRIBE_CONFIGS',
  }[need];
  const grants: Record<string, string> = {
    TOPIC_AUTHORIZATION_FAILED: `${operations} on topic ${what}`,
    GROUP_AUTHORIZATION_FAILED: `READ and DESCRIBE on group ${what}`,
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED: `WRITE and DESCRIBE on transactional id ${what}`,
    CLUSTER_AUTHORIZATION_FAILED: `${need === 'create' ? 'CREATE' : 'IDEMPOTENT_WRITE'} on the cluster (for ${what})`,
  };
  const grant = grants[type];
  if (!grant) return undefined;
  return new KafkaGrantError(
    `Kafka refuses (${type}): grant our user ${grant}, for instance with kafka-acls.sh --add --allow-principal User:…`,
    { cause: error },
  );
}
