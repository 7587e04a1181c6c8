import { expect, test } from 'vitest';
import type { NotificationKind } from '../../../src/domain/events.js';
import { type EpisodeView, NO_EPISODE } from '../../../src/domain/notification.js';
import { type StillWanted, stillWanted } from '../../../src/domain/still-wanted.js';
import { isoOfMs } from '../../../src/domain/time.js';

const NOW = Date.parse('2026-11-24T22:00:00Z');
const KINDS: readonly NotificationKind[] = [
  ...(['raised', 'worsened', 'stale', 'unstable', 'reminder', 'escalated', 'summary', 'silence-ended'] as const),
  ...(['resolved', 'digest', 'technical', 'heartbeat'] as const),
];
const open: EpisodeView = { ...NO_EPISODE, status: 'open', eventIndex: 2 };
const ack = { by: 'dr.rao', at: isoOfMs(NOW), until: isoOfMs(NOW + 1), eventId: 'a', n: 0, eventIndex: 1 };
const silenced = { ...open, silencedBy: 's1', silencedUntil: isoOfMs(NOW + 1) };

/** The kinds that are not sent, of event number `n`. */
function unwanted(
  view: EpisodeView,
  n: number,
  silences: readonly string[] = [],
  beginsMs = NOW,
): [StillWanted, NotificationKind[]] {
  const answers = KINDS.map((kind) => ({
    kind,
    answer: stillWanted(
      { kind, n },
      view,
      silences.map((silenceId) => ({ silenceId, startsAt: isoOfMs(beginsMs) })),
      NOW,
    ),
  }));
  const not = answers.filter(({ answer }) => answer !== 'send');
  return [not[0]?.answer ?? 'send', not.map(({ kind }) => kind)];
}

test('what nobody wants any more: acknowledged since, silenced since, or ended; in doubt it is sent', () => {
  const followUps = ['reminder', 'escalated', 'summary', 'silence-ended'];
  expect(unwanted(NO_EPISODE, 0)).toEqual(['send', []]);
  expect(unwanted(open, 0)).toEqual(['send', []]);
  expect(unwanted({ ...open, ack }, 1)).toEqual(['acknowledged', KINDS.slice(0, 8)]);
  expect(unwanted({ ...open, ack }, 2)).toEqual(['acknowledged', followUps]);
  expect(unwanted({ ...open, status: 'closed' }, 0)).toEqual(['resolved', ['stale', ...followUps]]);
  expect(unwanted(silenced, 0, ['s1'])).toEqual(['silenced', KINDS.slice(0, 8)]);
  // Withdrawn, not begun, or over.
  expect(unwanted(silenced, 0, ['s2'])).toEqual(['send', []]);
  expect(unwanted(silenced, 0, ['s1'], NOW + 1)).toEqual(['send', []]);
  expect(unwanted({ ...silenced, silencedUntil: isoOfMs(NOW) }, 0, ['s1'])).toEqual(['send', []]);
});
