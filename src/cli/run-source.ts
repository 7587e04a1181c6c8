// What `wardwatch source status` does: looks at the table and the stored position, owns and changes nothing.
import { peekPosition } from '../../jobs/poll-position.js';
import { createBase } from '../app/base.js';
import { deploymentOf } from '../app/deployment.js';
import { withConnections } from '../app/once.js';
import { EXIT } from '../app/process.js';
import { vitalsSourceOf } from '../app/wire-poll.js';
import { holdersOf } from '../domain/gap-ledger.js';
import { decodePosition } from '../domain/position.js';
import { topicName } from '../kafka/topics.js';
import { sameServer } from '../mysql/identity.js';
import { type OpenTransaction, openTransactions } from '../mysql/open-transactions.js';
import type { CliContext } from './program.js';

const MS_PER_S = 1_000;
const US_PER_MS = 1_000;
const GAPS_SHOWN = 20;
const TRANSACTIONS_NAMED = 5;

/** 0: the source can be polled and the position fits it. 1: it belongs to another server, or the table went back. Throws SourceRefused. */
export async function runSourceStatus(json: boolean, context: CliContext): Promise<number> {
  const base = createBase({
    envFile: context.envFile(),
    needs: ['RDS_URL', 'KAFKA_BROKERS'],
    needsSource: true,
    quiet: true,
  });
  const { config, clock } = base;
  const deployment = deploymentOf(config);
  const { server, bounds, position, transactions } = await withConnections(base, async (connections) => {
    const session = await vitalsSourceOf({ ...base, connections, deployment, write: false }).open();
    try {
      const reader = await connections.kafka().partitionReader();
      const topic = topicName(config.settings.KAFKA_PREFIX, 'vital-poll-state');
      const stored = await peekPosition(reader, topic, deployment.source);
      const position = stored === undefined ? undefined : decodePosition(stored, clock.nowMs());
      const ids = position?.ledger.transactions.map(({ id }) => id) ?? [];
      return {
        server: session.server,
        bounds: await session.bounds(),
        position,
        transactions: await connections.rds().withConnection((own) => openTransactions(own, ids)),
      };
    } finally {
      session.close();
    }
  });
  const newest = bounds?.to ?? 0n;
  const isSameServer = position === undefined || position.server.uuid === server.uuid;
  const restarted = position !== undefined && isSameServer && !sameServer(position.server, server);
  const ageS = (ms: number) => Math.round((clock.nowMs() - ms) / MS_PER_S);
  const wentBack = position !== undefined && position.ledger.high > newest;
  const status = {
    v: 1,
    source: deployment.source,
    table: config.vitals.table,
    key: config.vitals.key,
    evidence: config.settings.POLL_EVIDENCE,
    server,
    oldestId: bounds ? String(bounds.from) : null,
    newestId: bounds ? String(bounds.to) : null,
    position: position
      ? {
          high: String(position.ledger.high),
          startId: String(position.startId),
          behind: String(wentBack ? 0n : newest - position.ledger.high),
          endReachedAgoS: position.reachedEndAt === null ? null : ageS(position.reachedEndAt / US_PER_MS),
          gaps: [...position.ledger.gaps]
            .sort((a, b) => a.bornMs - b.bornMs)
            .map((gap) => ({
              from: String(gap.from),
              to: String(gap.to),
              ageS: ageS(gap.bornMs),
              transactions: holdersOf(position.ledger, gap).map(({ id }) => id),
            })),
        }
      : null,
    transactions,
    sameServer: isSameServer,
    restarted,
    wentBack,
  };
  context.out(json ? JSON.stringify(status) : describe(status));
  return isSameServer && !wentBack ? EXIT.ok : EXIT.failed;
}

interface Status {
  readonly source: string;
  readonly table: string;
  readonly key: string;
  readonly evidence: string;
  readonly server: { readonly uuid: string; readonly startedAt: string };
  readonly oldestId: string | null;
  readonly newestId: string | null;
  readonly position: {
    readonly high: string;
    readonly startId: string;
    readonly behind: string;
    readonly endReachedAgoS: number | null;
    readonly gaps: readonly {
      readonly from: string;
      readonly to: string;
      readonly ageS: number;
      readonly transactions: readonly string[];
    }[];
  } | null;
  readonly transactions: readonly OpenTransaction[];
  readonly sameServer: boolean;
  readonly restarted: boolean;
  readonly wentBack: boolean;
}

function describe(status: Status): string {
  const { position } = status;
  const lines = [
    `source    ${status.source}: table ${status.table}, key ${status.key}, evidence ${status.evidence}`,
    `server    ${status.server.uuid}, up since ${status.server.startedAt}`,
    `rows      ${status.newestId === null ? 'none' : `ids ${status.oldestId} to ${status.newestId}`}`,
  ];
  if (!position) return [...lines, 'position  none yet: no poller has ever owned this source'].join('\n');
  lines.push(`position  ${position.high} read (from ${position.startId} on), ${position.behind} ids to go`);
  lines.push(`gaps      ${position.gaps.length} open`);
  if (position.endReachedAgoS !== null)
    lines.push(`lag       the table's end was reached ${position.endReachedAgoS} s ago`);
  for (const { from, to, ageS, transactions } of position.gaps.slice(0, GAPS_SHOWN)) {
    const waits = transactions.length === 0 ? '' : `, may come from ${someOf(transactions)}`;
    lines.push(`          ${from === to ? from : `${from}–${to}`}, skipped ${ageS} s ago${waits}`);
  }
  for (const { id, thread, started, rowsModified, account } of status.transactions.slice(0, GAPS_SHOWN)) {
    const whose = account === null ? 'prepared (XA) or just ended' : `${account}, thread ${thread}`;
    lines.push(`open      transaction ${id}: ${whose}, since ${started} UTC, ${rowsModified} rows written`);
  }
  if (status.restarted)
    lines.push('· the server was restarted since: the poller compares its last rows before it reads on');
  if (!status.sameServer) lines.push('✗ the position belongs to another server: polling is refused');
  if (status.wentBack)
    lines.push('✗ the table ends below the position: it was emptied or restored; polling is refused');
  return lines.join('\n');
}

function someOf(transactions: readonly string[]): string {
  const more = transactions.length > TRANSACTIONS_NAMED ? ' and others' : '';
  return `${transactions.slice(0, TRANSACTIONS_NAMED).join(', ')}${more}`;
}
