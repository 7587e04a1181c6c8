// The last look at a row before it is published: does anybody still want it?
import type { NotificationRow } from '../src/domain/ledger.js';
import { type EpisodeView, NO_EPISODE } from '../src/domain/notification.js';
import { type StillWanted, stillWanted } from '../src/domain/still-wanted.js';
import type { DeliverParts } from './deliver-parts.js';

/** What is about no episode is always wanted. */
export async function lastLook(
  parts: DeliverParts,
  row: NotificationRow,
): Promise<{ readonly verdict: StillWanted; readonly view: EpisodeView }> {
  if (row.episodeId === '') return { verdict: 'send', view: NO_EPISODE };
  const { view, silences, now } = await parts.ledger.look(row.episodeId, '');
  return { verdict: stillWanted(row, view, silences, now), view };
}
