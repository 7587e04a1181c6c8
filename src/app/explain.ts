// What a person is told of an error: our own words whole, others' class and code only.
import { ConfigError } from '../config/problems.js';
import { framesOf } from '../telemetry/logger.js';

/** Classes whose messages are ours, written for people, and free of data and secrets. */
const OURS: ReadonlySet<string> = new Set([
  'ConfigError',
  'KafkaGrantError',
  'LakeClaimedError',
  'LakeChainError',
  'LakeFileMissingError',
  'HdfsError',
  'LakeQueryError',
  'PortTakenError',
  'SkipRefused',
  'SourceRefused',
  'NotLiveError',
  'SayError',
]);

/** An error with a message for the person, thrown by commands. */
export class SayError extends Error {
  override readonly name = 'SayError';
}

/** Is its message ours, to be said whole? */
export function isOurs(error: unknown): boolean {
  return error instanceof Error && OURS.has(error.name);
}

export function explain(error: unknown): string {
  if (error instanceof ConfigError) return `wardwatch can't run this. ${error.message}`;
  if (!(error instanceof Error)) return 'Failed for an unknown reason.';
  if (isOurs(error)) return error.message;
  const { code, type } = error as Error & { code?: unknown; type?: unknown };
  const symbol = [code, type].find((word) => typeof word === 'string');
  const failed = `Failed: ${error.name}${symbol ? ` (${String(symbol)})` : ''}. \`wardwatch doctor\` looks at every service.`;
  // Without a code it is no service that failed but we: the frames tell where, the message stays unsaid.
  return symbol ? failed : [failed, ...framesOf(error)].join('\n');
}
