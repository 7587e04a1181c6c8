// What `wardwatch source status` does: looks at the table and the stored position, owns and changes nothing.
import { peekPosition } from '../../jobs/poll-position.js';
import { createBase } from '../app/base.js';
import { deploymentOf } from '../app/deployment.js';
import { withConnections } from '../app/once.js';
import { EXIT } from '../app/process.js';
import { vitalsSourceOf } from '../app/wire-poll.js';
import { decodePosition } from '../domain/position.js';
import { topicName } from '../kafka/topics.js';
import type { CliContext } from './program.js';

const MS_PER_S = 1_000;
const GAPS_SHOWN = 20;

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
  const { server, bounds, stored } = await withConnections(base, async (connections) => {
    const session = await vitalsSourceOf({ ...base, connections, deployment, write: false }).open();
    try {
      const reader = await connections.kafka().partitionReader();
      const topic = topicName(config.settings.KAFKA_PREFIX, 'vital-poll-state');
      return {
        server: session.server,
        bounds: await session.bounds(),
        stored: await peekPosition(reader, topic, deployment.source),
      };
    } finally {
      session.close();
    }
  });
  const position = stored === undefined ? undefined : decodePosition(stored, clock.nowMs());
  const newest = bounds?.to ?? 0n;
  const sameServer = position === undefined || position.server.uuid === server.uuid;
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
          gaps: position.ledger.gaps.map(({ from, to, bornMs }) => ({
            from: String(from),
            to: String(to),
            ageS: Math.round((clock.nowMs() - bornMs) / MS_PER_S),
          })),
        }
      : null,
    sameServer,
    wentBack,
  };
  context.out(json ? JSON.stringify(status) : describe(status));
  return sameServer && !wentBack ? EXIT.ok : EXIT.failed;
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
    readonly gaps: readonly { readonly from: string; readonly to: string; readonly ageS: number }[];
  } | null;
  readonly sameServer: boolean;
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
  for (const { from, to, ageS } of position.gaps.slice(0, GAPS_SHOWN)) {
    lines.push(`          ${from === to ? from : `${from}–${to}`}, skipped ${ageS} s ago`);
  }
  if (!status.sameServer) lines.push('✗ the position belongs to another server: polling is refused');
  if (status.wentBack)
    lines.push('✗ the table ends below the position: it was emptied or restored; polling is refused');
  return lines.join('\n');
}
