// A key (patient, attribute, direction) that alarms again and again: from the fourth episode in half an hour on, one notice for all.
import type { EpisodeEvent } from './events.js';
import type { KeyView } from './notification.js';
import type { Policy } from './policy.js';
import { msOfIso } from './time.js';

export interface Beginning {
  /** `unstable`: this one makes it so. `flapping`: it is so already. */
  readonly verdict: 'steady' | 'unstable' | 'flapping';
  readonly key: KeyView;
}

/**
 * An episode begins. `mayTell` false: nobody would hear of it, so it counts, but does not make the key unstable. By event time,
 * as dispatch may read a backlog in one go; never later than it was evaluated, whatever the device's clock says.
 */
export function noteBeginning(
  key: KeyView,
  event: EpisodeEvent,
  { episodes, withinMs }: Policy['flapping'],
  mayTell: boolean,
): Beginning {
  const atMs = Math.min(msOfIso(event.notBefore), msOfIso(event.evaluatedAt));
  const others = key.raised.filter((one) => one.episodeId !== event.episodeId);
  const lastMs = others.reduce((latest, one) => Math.max(latest, one.atMs), Number.NEGATIVE_INFINITY);
  const calm = atMs - lastMs >= withinMs;
  const raised = [...others.filter((one) => one.atMs > atMs - withinMs), { episodeId: event.episodeId, atMs }];
  const next = { version: key.version + 1, raised: raised.slice(-episodes) };
  if (key.unstableSinceMs !== null && !calm)
    return { verdict: 'flapping', key: { ...next, unstableSinceMs: key.unstableSinceMs } };
  if (raised.length < episodes || !mayTell) return { verdict: 'steady', key: { ...next, unstableSinceMs: null } };
  return { verdict: 'unstable', key: { ...next, unstableSinceMs: atMs } };
}
