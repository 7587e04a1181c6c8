// The last look at a row before it is published: does anybody still want it?
import { HEARTBEAT_OUTDATED_MS, parseHeartbeatTrigger } from '../src/domain/heartbeat.js';
import type { NotificationRow } from '../src/domain/ledger.js';
import { type EpisodeView, NO_EPISODE } from '../src/domain/notification.js';
import { type StillWanted, stillWanted } from '../src/domain/still-wanted.js';
import { msOfIso } from '../src/domain/time.js';
import type { DeliverParts } from './deliver-parts.js';

/** What is about no episode is wanted, but for a sign of life that comes too late to be one. */
export async function lastLook(
  parts: DeliverParts,
  row: NotificationRow,
): Promise<{ readonly verdict: StillWanted | 'outdated'; readonly view: EpisodeView }> {
  if (row.episodeId === '') return { verdict: isOutdated(row) ? 'outdated' : 'send', view: NO_EPISODE };
  const { view, silences, now } = await parts.ledger.look(row.episodeId, '');
  return { verdict: stillWanted(row, view, silences, now), view };
}

function isOutdated({ kind, trigger, now }: NotificationRow): boolean {
  const beat = kind === 'heartbeat' ? parseHeartbeatTrigger(trigger) : undefined;
  return beat !== undefined && now - msOfIso(beat.at) > HEARTBEAT_OUTDATED_MS;
}
