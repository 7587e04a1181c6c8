// Where the poller stands: read back when it owns the source, chosen at the very first start, checked against the server.
import { type IdRange, missingIn, startLedger } from '../src/domain/gap-ledger.js';
import type { Logger, PartitionReader } from '../src/domain/ports.js';
import type { EvidenceKind, Position } from '../src/domain/position.js';
import { sameServer } from '../src/mysql/identity.js';
import { SourceRefused } from '../src/mysql/refusal.js';
import type { VitalsSession } from '../src/mysql/vitals-source.js';

/** The key of an owner's token on vital-poll-state. */
const TOKEN_KEY = 'token';
/** How far below a first start the missing ids may belong to open transactions. */
const FIRST_START_WINDOW = 10_000n;
/** The newest position is among the last records; only if it isn't, the whole partition is read. */
const NEWEST_RECORDS = 200;

/** Record on vital-poll-state that begins an ownership. */
export function tokenRecord(topic: string, token: string) {
  return { topic, partition: 0, key: TOKEN_KEY, value: token };
}

/**
 * The last position of `source`, or undefined where there is none. `fence` writes the token that the reading ends at: the end
 * of the partition is taken before, so that the token is never below where the reading begins.
 */
export async function readPosition(
  openReader: () => Promise<PartitionReader>,
  topic: string,
  source: string,
  fence: () => Promise<string>,
): Promise<string | undefined> {
  const reader = await openReader();
  try {
    const { start, stableEnd } = await reader.offsets(topic, 0);
    const untilToken = await fence();
    for (const from of [Math.max(start, stableEnd - NEWEST_RECORDS), start]) {
      let found: string | undefined;
      await reader.read(topic, 0, { from, untilToken }, ({ key, value }) => {
        if (key?.toString() === source) found = value?.toString();
      });
      if (found !== undefined || from === start) return found;
    }
    return undefined;
  } finally {
    await reader.close();
  }
}

/** The last position of `source` as it stands, without owning anything. */
export async function peekPosition(
  reader: PartitionReader,
  topic: string,
  source: string,
): Promise<string | undefined> {
  let found: string | undefined;
  await reader.read(topic, 0, {}, ({ key, value }) => {
    if (key?.toString() === source) found = value?.toString();
  });
  return found;
}

/** Where the very first start begins, with what is missing below it as gaps. Throws SourceRefused. */
export async function firstPosition(
  session: VitalsSession,
  options: {
    readonly source: string;
    readonly start: string;
    readonly evidence: EvidenceKind;
    readonly nowMs: number;
    readonly log: Logger;
  },
): Promise<Position> {
  const { source, start } = options;
  const bounds = await session.bounds();
  const top = bounds?.to ?? 0n;
  let high = top;
  if (start === 'beginning') high = bounds && bounds.from <= 0n ? bounds.from - 1n : 0n;
  else if (start !== 'end') high = BigInt(start) - 1n;
  if (high > top) {
    throw new SourceRefused(
      'start',
      `POLL_START=${start} is above the next id of the table (${top + 1n}): correct it, or set POLL_START=end`,
    );
  }
  const range: IdRange = { from: high > FIRST_START_WINDOW ? high - FIRST_START_WINDOW + 1n : 1n, to: high };
  const missing = high > 0n ? missingIn(range, await session.ids(range)) : [];
  options.log.warn('poll.first-start', { source, start, firstId: String(high + 1n), gapsBelow: missing.length });
  return {
    server: session.server,
    ledger: startLedger(high, missing, options.nowMs, session.steps),
    startId: high + 1n,
    reachedEndAt: null,
    evidence: options.evidence,
  };
}

/** Whether the server of the position has been restarted since. Throws SourceRefused for another one. */
export function checkServerOf(position: Position, session: VitalsSession): boolean {
  const { uuid } = position.server;
  if (uuid !== session.server.uuid) {
    throw new SourceRefused(
      'other-server',
      `this server is ${session.server.uuid}, the position belongs to ${uuid}: ids of one server say nothing about another's. Point RDS_URL back, or accept the new server with \`wardwatch source reset\``,
    );
  }
  return !sameServer(position.server, session.server);
}

/** Why the poller can't go on where the table ends below what was read: it was emptied, restored, or lost its last rows. Undefined: it does not. */
export function wentBackBelow(high: bigint, bounds: IdRange | undefined): SourceRefused | undefined {
  const top = bounds?.to ?? 0n;
  if (top >= high) return undefined;
  return new SourceRefused(
    'went-back',
    `the table ends at id ${top}, but ${high} was read: it was emptied or restored, or its last rows were deleted, and new rows may get ids that were used before. Find out which; \`wardwatch source status\` shows the position, \`wardwatch source reset\` accepts the table as it is`,
  );
}
