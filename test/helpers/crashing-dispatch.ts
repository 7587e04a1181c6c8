// dispatch, its follow-ups and deliver in memory: the real decisions over a record (Kafka), views (Redis) and a process that dies between any two steps.
import { decide } from '../../src/domain/decide.js';
import { decideTimer } from '../../src/domain/decide-timer.js';
import type { EpisodeEvent, OperatorEvent } from '../../src/domain/events.js';
import { followUp } from '../../src/domain/follow-ups.js';
import { decideSilenced } from '../../src/domain/hold.js';
import {
  type Decision,
  type EpisodeView,
  type KeyView,
  NO_EPISODE,
  NO_KEY,
  type Send,
  type Timer,
} from '../../src/domain/notification.js';
import { operatorEventId, silenceTrigger } from '../../src/domain/operator-events.js';
import type { Policy } from '../../src/domain/policy.js';
import type { Silence } from '../../src/domain/silence.js';
import { type StillWanted, stillWanted } from '../../src/domain/still-wanted.js';
import { isoOfMs, parseMicros } from '../../src/domain/time.js';
import type { DayInput } from './alerts-day.js';

type LogEvent = EpisodeEvent | OperatorEvent;

/** A line of alert-deliveries: a decision with the views that it made, or an outcome. */
type Line =
  | {
      readonly id: string;
      readonly episodeId: string;
      readonly decision: Decision;
      readonly view: EpisodeView;
      readonly key: [string, KeyView] | null;
    }
  | { readonly notificationId: string; readonly outcome: 'accepted' | 'cancelled' };

export interface Row {
  readonly send: Send;
  readonly episodeId: string;
  readonly decidedMs: number;
  readonly deliverMs: number;
  state: 'PENDING' | 'SENT' | 'CANCELLED';
  why: StillWanted | 'raised-not-delivered' | 'accepted';
  settledMs: number;
  /** How often SNS accepted it. */
  accepted: number;
  /** Crashes between that and its record. */
  crashes: number;
}

interface Redis {
  readonly stored: Map<string, Decision>;
  readonly views: Map<string, EpisodeView>;
  readonly keys: Map<string, KeyView>;
  readonly silences: Map<string, Silence>;
  /** Pending, by id; with the time that counts. */
  readonly timers: Map<string, { readonly timer: Timer; readonly dueMs: number }>;
}

const CRASH = { died: true };

export interface Chaos {
  /** In [0, 1). */
  readonly random: () => number;
  /** Of dying at a step. */
  readonly crash: number;
  /** Of dying together with Redis, when dying. */
  readonly redisLost: number;
  /** Of SNS being away when something is decided; then for up to so long. */
  readonly away: number;
  readonly awayMs: number;
}

export interface Outcome {
  /** `ms kind destination episode` of each notification that was decided, sorted. */
  readonly decided: string[];
  readonly rows: readonly Row[];
  readonly crashes: number;
}

/** Runs the day to its end. */
export function runDispatch(inputs: readonly DayInput[], endMs: number, first: Policy, chaos: Chaos): Outcome {
  const log: LogEvent[] = [];
  const lines: Line[] = [];
  let redis = emptyRedis();
  let position = 0;
  let nowMs = 0;
  let policy = first;
  let crashes = 0;
  const allRows = new Map<string, Row>();

  const step = () => {
    if (chaos.random() < chaos.crash) throw CRASH;
  };
  /** Until it gets through: the same moment, another process. */
  const surely = (work: () => void) => {
    for (;;) {
      try {
        work();
        return;
      } catch (error) {
        if (error !== CRASH) throw error;
        crashes += 1;
        if (chaos.random() >= chaos.redisLost) continue;
        redis = rebuilt(lines, log.slice(0, position));
        for (const line of lines)
          if ('decision' in line)
            for (const send of line.decision.send) openRow(send, line.episodeId, millis(line.decision.at));
      }
    }
  };
  const viewOf = (episodeId: string) => redis.views.get(episodeId) ?? NO_EPISODE;
  const circumstances = () => ({ silences: [...redis.silences.values()], policy, nowMs });

  /** Fold, record, rows and timers, events of our own; each step may be the last one of this process. */
  const carryOut = (
    id: string,
    episodeId: string,
    make: () => { decision: Decision; next: EpisodeView; key?: [string, KeyView] } | undefined,
  ) => {
    if (!redis.stored.has(id)) {
      const made = make();
      if (!made) return;
      redis.stored.set(id, made.decision);
      redis.views.set(episodeId, made.next);
      if (made.key) redis.keys.set(...made.key);
    }
    const decision = redis.stored.get(id) as Decision;
    step();
    const key = keyName(viewOf(episodeId));
    const keyView = redis.keys.get(key);
    lines.push({ id, episodeId, decision, view: viewOf(episodeId), key: keyView ? [key, keyView] : null });
    step();
    for (const send of decision.send) openRow(send, episodeId, millis(decision.at));
    for (const timer of decision.timers)
      if (!redis.stored.has(timer.timerId)) redis.timers.set(timer.timerId, { timer, dueMs: millis(timer.due) });
    step();
    log.push(...decision.emits);
    step();
  };
  const openRow = (send: Send, episodeId: string, decidedMs: number) => {
    const have = allRows.get(send.notificationId);
    const away = chaos.random() < chaos.away ? Math.floor(chaos.random() * chaos.awayMs) : 0;
    const row: Row = have ?? {
      ...{ send, episodeId, decidedMs, deliverMs: decidedMs + away },
      ...{ state: 'PENDING', why: 'send', settledMs: 0, accepted: 0, crashes: 0 },
    };
    allRows.set(send.notificationId, row);
  };

  const handle = (event: LogEvent, offset: number) => {
    if (event.kind === 'silenced') {
      const { silenceId, matcher, startsAt, endsAt, reason, by } = event;
      redis.silences.set(silenceId, { silenceId, matcher, startsAt, endsAt, reason, by });
      step();
      for (const [episodeId, view] of [...redis.views])
        carryOut(`${event.eventId}-${episodeId}`, episodeId, () => {
          const silence = redis.silences.get(silenceId) as Silence;
          const made = decideSilenced({ silence, view, policy, nowMs });
          return made && { decision: made.decision, next: made.view };
        });
      return;
    }
    if (event.kind === 'silence-ended') {
      redis.silences.delete(event.silenceId);
      step();
      release(redis, nowMs);
      step();
      return;
    }
    carryOut(event.eventId, event.episodeId, () => {
      const name = 'patient' in event ? `${event.patient.id} ${event.attribute} ${event.direction}` : '';
      const key = redis.keys.get(name) ?? NO_KEY;
      const view = viewOf(event.episodeId);
      const { decision, next, nextKey } = decide({ event, offset, view, key, ...circumstances() });
      return { decision, next, ...(nextKey === key ? {} : { key: [name, nextKey] }) };
    });
  };
  const fire = (timer: Timer) => {
    carryOut(timer.timerId, timer.episodeId, () =>
      decideTimer({ timer, view: viewOf(timer.episodeId), ...circumstances() }),
    );
    redis.timers.delete(timer.timerId);
  };
  const deliver = (row: Row) => {
    const { send, episodeId } = row;
    const before = send.after.map((id) => allRows.get(id) as Row);
    const never = send.after.length > 0 && before.every(({ state }) => state === 'CANCELLED');
    const why = never
      ? 'raised-not-delivered'
      : stillWanted(send, viewOf(episodeId), [...redis.silences.values()], nowMs);
    if (why === 'send') row.accepted += 1;
    try {
      step();
    } catch (error) {
      row.crashes += 1;
      throw error;
    }
    lines.push({ notificationId: send.notificationId, outcome: why === 'send' ? 'accepted' : 'cancelled' });
    row.state = why === 'send' ? 'SENT' : 'CANCELLED';
    row.why = why === 'send' ? 'accepted' : why;
    row.settledMs = nowMs;
  };
  const drainLog = () => {
    while (position < log.length) {
      surely(() => handle(log[position] as LogEvent, position));
      position += 1;
    }
  };
  /** Timers and deliveries up to then, in the order of their times. */
  const passTo = (untilMs: number) => {
    for (;;) {
      drainLog();
      const timer = earliest([...redis.timers.values()], (one) => one.dueMs);
      const row = earliest(
        [...allRows.values()].filter((one) => one.state === 'PENDING' && isFree(one, allRows)),
        (one) => Math.max(one.deliverMs, ...one.send.after.map((id) => allRows.get(id)?.settledMs ?? 0)),
      );
      if ((timer?.at ?? untilMs) >= untilMs && (row?.at ?? untilMs) >= untilMs) break;
      if (timer && timer.at <= (row?.at ?? timer.at)) {
        nowMs = Math.max(nowMs, timer.at);
        surely(() => {
          const pending = redis.timers.get(timer.one.timer.timerId);
          if (pending) fire(pending.timer);
        });
      } else if (row) {
        nowMs = Math.max(nowMs, row.at);
        surely(() => deliver(row.one));
      }
    }
    nowMs = untilMs;
  };
  for (const input of inputs) {
    passTo(input.atMs);
    if (input.type === 'policy') policy = input.policy;
    else log.push(...written(input, redis));
    drainLog();
  }
  passTo(endMs);
  const decided = new Map<string, string>();
  for (const line of lines)
    if ('decision' in line)
      for (const { kind, destination, notificationId } of line.decision.send)
        decided.set(notificationId, `${millis(line.decision.at)} ${kind} ${destination} ${line.episodeId}`);
  return { decided: [...decided.values()].sort(), rows: [...allRows.values()], crashes };
}

function emptyRedis(): Redis {
  return {
    stored: new Map(),
    views: new Map(),
    keys: new Map(),
    silences: new Map(),
    timers: new Map(),
  };
}

/** From the record alone: the newest views, the first decision on each event, timers without a decision. */
function rebuilt(lines: readonly Line[], folded: readonly LogEvent[]): Redis {
  const redis = emptyRedis();
  for (const line of lines) {
    if (!('decision' in line)) continue;
    const { id, episodeId, decision, view, key } = line;
    if (!redis.stored.has(id)) redis.stored.set(id, decision);
    if (view.version > (redis.views.get(episodeId)?.version ?? 0)) redis.views.set(episodeId, view);
    if (key && key[1].version > (redis.keys.get(key[0])?.version ?? 0)) redis.keys.set(...key);
  }
  for (const line of lines)
    if ('decision' in line)
      for (const timer of line.decision.timers)
        if (!redis.stored.has(timer.timerId)) redis.timers.set(timer.timerId, { timer, dueMs: millis(timer.due) });
  // Decided, and perhaps never said on doctors-queue: it stays until the view says that the acknowledgement has ended.
  for (const { ack, episodeId } of redis.views.values()) {
    if (!ack) continue;
    const timer = followUp('ack-expiry', ack.n, episodeId, millis(ack.until));
    redis.timers.set(timer.timerId, { timer, dueMs: millis(ack.until) });
  }
  for (const event of folded) {
    if (event.kind === 'silenced') {
      const { silenceId, matcher, startsAt, endsAt, reason, by } = event;
      redis.silences.set(silenceId, { silenceId, matcher, startsAt, endsAt, reason, by });
    }
    if (event.kind === 'silence-ended') redis.silences.delete(event.silenceId);
  }
  release(redis, 0);
  return redis;
}

/** What waited for a silence that is gone is due now. */
function release(redis: Redis, nowMs: number): void {
  for (const [timerId, { timer, dueMs }] of redis.timers) {
    const by = redis.views.get(timer.episodeId)?.silencedBy;
    if (timer.kind !== 'silence-ended' || typeof by !== 'string' || redis.silences.has(by)) continue;
    redis.timers.set(timerId, { timer, dueMs: Math.min(dueMs, nowMs) });
  }
}

function written(input: Exclude<DayInput, { type: 'policy' }>, redis: Redis): LogEvent[] {
  const at = isoOfMs(input.atMs);
  const base = { v: 1, by: 'dr.rao', at } as const;
  switch (input.type) {
    case 'event':
      return [input.event];
    case 'acknowledge': {
      const { episodeId, forMs } = input;
      const eventId = operatorEventId(episodeId, 'acknowledged', base.by, at);
      const until = forMs === null ? null : isoOfMs(input.atMs + forMs);
      return [
        { ...base, eventId, kind: 'acknowledged', episodeId, patientId: patientOf(redis, episodeId), note: '', until },
      ];
    }
    case 'withdraw': {
      const { episodeId } = input;
      const eventId = operatorEventId(episodeId, 'ack-ended', base.by, at);
      return [
        { ...base, eventId, kind: 'ack-ended', episodeId, patientId: patientOf(redis, episodeId), reason: 'withdrawn' },
      ];
    }
    case 'silence': {
      const { silenceId, matcher, forMs } = input;
      const eventId = operatorEventId(silenceTrigger(silenceId), 'silenced', base.by, at);
      const endsAt = isoOfMs(input.atMs + forMs);
      return [{ ...base, eventId, kind: 'silenced', silenceId, matcher, startsAt: at, endsAt, reason: 'test' }];
    }
    case 'unsilence': {
      const { silenceId } = input;
      const eventId = operatorEventId(silenceTrigger(silenceId), 'silence-ended', base.by, at);
      return [{ ...base, eventId, kind: 'silence-ended', silenceId, reason: 'withdrawn' }];
    }
  }
}

function patientOf(redis: Redis, episodeId: string): string {
  return redis.views.get(episodeId)?.patientId ?? '';
}

function keyName({ patientId, attribute, direction }: EpisodeView): string {
  return `${patientId} ${attribute} ${direction}`;
}

function isFree(row: Row, rows: ReadonlyMap<string, Row>): boolean {
  return row.send.after.every((id) => rows.get(id)?.state !== 'PENDING');
}

function earliest<T>(all: readonly T[], at: (one: T) => number): { readonly one: T; readonly at: number } | undefined {
  let best: { one: T; at: number } | undefined;
  for (const one of all) {
    const ms = at(one);
    if (!best || ms < best.at) best = { one, at: ms };
  }
  return best;
}

function millis(text: string): number {
  return (parseMicros(text) ?? 0) / 1000;
}
