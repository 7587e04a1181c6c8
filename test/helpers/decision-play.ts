// The decisions of one ward without services: events folded one after the other, timers when their time comes; what was sent, and why not.
import { decide } from '../../src/domain/decide.js';
import { decideTimer } from '../../src/domain/decide-timer.js';
import type { EpisodeEvent, EpisodeOperatorEvent } from '../../src/domain/events.js';
import { decideSilenced } from '../../src/domain/hold.js';
import {
  type Decision,
  type EpisodeView,
  type KeyView,
  NO_EPISODE,
  NO_KEY,
  type Timer,
} from '../../src/domain/notification.js';
import type { Policy } from '../../src/domain/policy.js';
import type { Silence } from '../../src/domain/silence.js';
import { parseMicros } from '../../src/domain/time.js';

export interface DecisionPlay {
  readonly nowMs: number;
  /** `kind reason kind>destination…` of each decision, in order; cleared by reading. */
  said(): string[];
  event(event: EpisodeEvent | EpisodeOperatorEvent): Decision;
  /** Moves the clock; timers run at their time, what they emit is folded at once. */
  until(ms: number): void;
  silence(silence: Silence): void;
  unsilence(silenceId: string): void;
  view(episodeId: string): EpisodeView;
  readonly timers: readonly Timer[];
  policy: Policy;
}

export function playDecisions(policy: Policy, startMs: number): DecisionPlay {
  let nowMs = startMs;
  let offset = 0;
  let lines: string[] = [];
  let timers: Timer[] = [];
  const views = new Map<string, EpisodeView>();
  const keys = new Map<string, KeyView>();
  const silences = new Map<string, Silence>();
  const seen = new Set<string>();

  const note = (kind: string, decision: Decision) => {
    const sent = decision.send.map((one) => `${one.kind}>${one.destination}`);
    lines.push([kind, decision.reason, ...sent].join(' '));
    for (const timer of decision.timers) {
      if (seen.has(timer.timerId)) throw new Error(`two timers ${timer.timerId}`);
      seen.add(timer.timerId);
    }
    timers.push(...decision.timers);
    for (const event of decision.emits) play.event(event);
  };
  const view = (episodeId: string) => views.get(episodeId) ?? NO_EPISODE;
  const fire = (timer: Timer) => {
    const input = { timer, view: view(timer.episodeId), silences: [...silences.values()], policy: play.policy, nowMs };
    const { decision, next } = decideTimer(input);
    views.set(timer.episodeId, next);
    note(timer.kind, decision);
  };
  const play: DecisionPlay = {
    policy,
    get nowMs() {
      return nowMs;
    },
    get timers() {
      return timers;
    },
    said: () => {
      const said = lines;
      lines = [];
      return said;
    },
    event: (event) => {
      const name = keyOf(event);
      const { decision, next, nextKey } = decide({
        event,
        offset: offset++,
        view: view(event.episodeId),
        key: keys.get(name) ?? NO_KEY,
        silences: [...silences.values()],
        policy: play.policy,
        nowMs,
      });
      views.set(event.episodeId, next);
      if (name !== '') keys.set(name, nextKey);
      note(event.kind, decision);
      return decision;
    },
    until: (ms) => {
      for (;;) {
        const next = timers.filter((timer) => dueMs(timer) <= ms).sort((a, b) => dueMs(a) - dueMs(b))[0];
        if (!next) break;
        timers = timers.filter((timer) => timer !== next);
        nowMs = Math.max(nowMs, dueMs(next));
        fire(next);
      }
      nowMs = ms;
    },
    silence: (silence) => {
      silences.set(silence.silenceId, silence);
      for (const [episodeId, before] of views) {
        const step = decideSilenced({ silence, view: before, policy: play.policy, nowMs });
        if (!step) continue;
        views.set(episodeId, step.view);
        note('silenced', step.decision);
      }
    },
    unsilence: (silenceId) => {
      silences.delete(silenceId);
      const mine = timers.filter(
        ({ kind, episodeId }) => kind === 'silence-ended' && view(episodeId).silencedBy === silenceId,
      );
      timers = timers.filter((timer) => !mine.includes(timer));
      for (const timer of mine) fire(timer);
    },
    view,
  };
  return play;
}

function keyOf(event: EpisodeEvent | EpisodeOperatorEvent): string {
  return 'patient' in event ? `${event.patient.id} ${event.attribute} ${event.direction}` : '';
}

function dueMs(timer: Timer): number {
  return (parseMicros(timer.due) ?? 0) / 1000;
}
