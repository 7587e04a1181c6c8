// Dispatch's views in Redis: each method one script, checked against the epoch.
import type { EpisodeEvent, SilenceEvent } from '../domain/events.js';
import {
  type Decision,
  type EpisodeView,
  type KeyView,
  NO_EPISODE,
  NO_KEY,
  type Timer,
} from '../domain/notification.js';
import type { Silence } from '../domain/silence.js';
import { msOfIso } from '../domain/time.js';
import type { FoldResult, StoredDecision, Views, ViewsRestore } from '../domain/views.js';
import { FINISHED_KEPT_MS } from './ledger-keys.js';
import type { ScriptAnswer, ScriptName } from './script-runner.js';
import type { ViewKeys } from './view-keys.js';

/** Runs a script that checks the epoch: `on` are the keys after it, `args` the arguments after it. */
export type RunGuarded = (
  name: ScriptName,
  on: readonly string[],
  args: readonly (string | number)[],
) => Promise<ScriptAnswer>;

const NOBODY = { patientId: '', attribute: '', direction: '' };

export function createViews(run: RunGuarded, keys: ViewKeys): Views {
  const flappingKey = ({ patientId, attribute, direction } = NOBODY) => keys.flapping(patientId, attribute, direction);
  return {
    look: async (episodeId, id, key) => {
      const on = [keys.episode(episodeId), flappingKey(key), keys.silences];
      const answer = (await run('view', on, [id])) as readonly ScriptAnswer[];
      const [view, stored, flapping, now] = answer as readonly (string | null)[];
      return {
        view: parsed<EpisodeView>(view) ?? NO_EPISODE,
        stored: parsed<StoredDecision>(stored) ?? null,
        key: parsed<KeyView>(flapping) ?? NO_KEY,
        silences: (answer[4] as readonly string[]).map((text) => JSON.parse(text) as Silence),
        now: Number(now),
      };
    },
    fold: async ({ episodeId, id, offset, event, look, decision, next, nextKey }) => {
      const version = look.view.version + 1;
      const stored: StoredDecision = { version, decision, silencedBy: next.silencedBy };
      const view = { ...next, version, offset: offset ?? look.view.offset };
      const key = nextKey === undefined ? '' : JSON.stringify({ ...nextKey, version: look.key.version + 1 });
      const answer = await run(
        'fold',
        [keys.episode(episodeId), flappingKey(next), keys.openEpisodes],
        [
          ...[id, look.view.version, offset ?? '', JSON.stringify(stored), JSON.stringify(view)],
          ...[look.key.version, key, event === null ? '' : JSON.stringify(event)],
          ...[episodeId, openSince(next), FINISHED_KEPT_MS],
        ],
      );
      const [outcome, text] = answer as readonly [FoldResult['outcome'], string];
      return outcome === 'folded' || outcome === 'stored'
        ? { outcome, stored: JSON.parse(text) as StoredDecision }
        : { outcome };
    },
    event: async (episodeId, eventId) =>
      parsed<EpisodeEvent>((await run('event', [keys.episode(episodeId)], [eventId])) as string | null),
    openEpisodes: async (from, limit) =>
      (await run('openEpisodes', [keys.openEpisodes], [from, limit])) as readonly string[],
    foldSilence: async (event, offset, decision) => {
      const [outcome, text] = (await run(...silenceCall(keys, event, offset, decision))) as readonly [
        'folded' | 'stored' | 'below',
        string,
      ];
      return { outcome, decision: outcome === 'below' ? decision : (JSON.parse(text) as Decision) };
    },
    silences: async () => {
      const [texts, now] = (await run('silences', [keys.silences], [])) as readonly [readonly string[], string];
      return { silences: texts.map((text) => JSON.parse(text) as Silence), now: Number(now) };
    },
    schedule: async (timer, silencedBy) => {
      const untilMs = await run(...scheduleCall(keys, timer, silencedBy));
      return untilMs === null ? undefined : Number(untilMs);
    },
    release: async (silenceId) =>
      (await run('release', [keys.held(silenceId), keys.timers, keys.timersDue], [])) as readonly string[],
    timer: async (timerId) => {
      const [text, due, now] = (await run('timer', [keys.timers, keys.timersDue], [timerId])) as (string | null)[];
      if (!text) return undefined;
      const dueMs = Number(due ?? 0);
      return {
        timer: JSON.parse(text) as Timer,
        dueMs,
        untilMs: Math.max(0, dueMs - Number(now)),
        now: Number(now),
      };
    },
    timerDone: async (timerId) => void (await run('timerDone', [keys.timers, keys.timersDue], [timerId])),
    timersDue: async (aheadMs, limit) => {
      const [list, now] = (await run('timersDue', [keys.timersDue], [aheadMs, limit])) as readonly [
        readonly string[],
        string,
      ];
      return list.flatMap((timerId, i) =>
        i % 2 === 0 ? [{ timerId, untilMs: Math.max(0, Number(list[i + 1]) - Number(now)) }] : [],
      );
    },
  };
}

/** `run` under the epoch of the rebuild. */
export function createViewsRestore(run: RunGuarded, keys: ViewKeys): ViewsRestore {
  return {
    clearViews: async () => {
      await run('clearViews', [keys.openEpisodes, keys.silences, keys.timers, keys.timersDue], []);
    },
    restoreEpisode: async ({ episodeId, view, events, decisions }) => {
      await run(
        'restoreEpisode',
        [keys.episode(episodeId), keys.openEpisodes],
        [
          ...[episodeId, openSince(view), FINISHED_KEPT_MS],
          ...['version', view.version, 'offset', view.offset, 'view', JSON.stringify(view)],
          ...events.flatMap((event) => [`e:${event.eventId}`, JSON.stringify(event)]),
          ...decisions.flatMap(([id, stored]) => [`d:${id}`, JSON.stringify(stored)]),
        ],
      );
    },
    restoreKey: async ({ patientId, attribute, direction }, view) => {
      const key = keys.flapping(patientId, attribute, direction);
      await run('restoreFlapping', [key], [view.version, JSON.stringify(view), FINISHED_KEPT_MS]);
    },
    restoreSilence: async (event, offset, decision) => {
      const { silenceId } = event;
      await run('forgetSilence', [keys.silence(silenceId), keys.held(silenceId)], [event.eventId]);
      await run(...silenceCall(keys, event, offset, decision));
    },
    restoreTimer: async (timer, silencedBy) => {
      await run(...scheduleCall(keys, timer, silencedBy));
    },
  };
}

type Call = Parameters<RunGuarded>;

function silenceCall(keys: ViewKeys, event: SilenceEvent, offset: number, decision: Decision): Call {
  const { silenceId } = event;
  return [
    'foldSilence',
    [keys.silence(silenceId), keys.silences],
    [
      ...[event.eventId, offset, silenceId, event.kind === 'silenced' ? JSON.stringify(silenceOf(event)) : ''],
      ...[JSON.stringify(decision), FINISHED_KEPT_MS],
    ],
  ];
}

function silenceOf({ silenceId, matcher, startsAt, endsAt, reason, by }: SilenceEvent & { kind: 'silenced' }): Silence {
  return { silenceId, matcher, startsAt, endsAt, reason, by };
}

function scheduleCall(keys: ViewKeys, timer: Timer, silencedBy: string | null): Call {
  const silence = timer.kind === 'silence-ended' ? (silencedBy ?? '') : '';
  return [
    'schedule',
    [keys.episode(timer.episodeId), keys.timers, keys.timersDue, keys.silences, keys.held(silence)],
    [timer.timerId, millis(timer.due), JSON.stringify(timer), silence, FINISHED_KEPT_MS],
  ];
}

/** For the list of open episodes; '' for one that is not open. */
function openSince(view: EpisodeView): number | '' {
  return view.status === 'open' ? millis(view.since) : '';
}

function millis(iso: string): number {
  return Math.floor(msOfIso(iso));
}

function parsed<T>(text: string | null | undefined): T | undefined {
  return text ? (JSON.parse(text) as T) : undefined;
}
