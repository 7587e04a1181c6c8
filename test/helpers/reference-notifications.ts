// Who had to be told what and when, of a day's inputs: the rules of alerts.md over plain facts about each episode, without views, timers or stored decisions. The decisions' oracle.
import type { EpisodeEvent, SilenceMatcher } from '../../src/domain/events.js';
import type { Policy, Route } from '../../src/domain/policy.js';
import type { DayInput } from './alerts-day.js';

/** `ms kind destination episode` of each notification, sorted. */
export function referenceNotifications(inputs: readonly DayInput[], endMs: number, first: Policy): string[] {
  const ward = new ReferenceWard(first);
  for (const input of inputs) {
    ward.passTo(input.atMs);
    ward.take(input);
  }
  ward.passTo(endMs);
  return ward.told.sort();
}

interface Silenced {
  readonly id: string;
  readonly matcher: SilenceMatcher;
  readonly fromMs: number;
  readonly toMs: number;
}

/** One who is open. `told…`: destinations. */
interface Open {
  readonly id: string;
  event: EpisodeEvent;
  careUntil: number | null;
  /** Something was held back that has to be told later: by a silence, until then; as history, and when to look. */
  owedAfterSilence: number | null;
  owedAfterHistory: boolean;
  looks: number[];
  reminder: { readonly at: number; readonly number: number } | null;
  escalations: { readonly at: number; readonly level: number }[];
  readonly toldOfIt: Set<string>;
  /** That its key is unstable. */
  readonly toldOfKey: Set<string>;
  heard: boolean;
  heldAsFlapping: boolean;
  lastStale: number;
}

class ReferenceWard {
  readonly told: string[] = [];
  private readonly open = new Map<string, Open>();
  private readonly over = new Set<string>();
  private silences: Silenced[] = [];
  private readonly beginnings = new Map<string, { times: number[]; unstable: boolean }>();
  private policy: Policy;

  constructor(policy: Policy) {
    this.policy = policy;
  }

  take(input: DayInput): void {
    const { atMs } = input;
    switch (input.type) {
      case 'policy':
        this.policy = input.policy;
        break;
      case 'silence': {
        const { silenceId: id, matcher, forMs } = input;
        const silence = { id, matcher, fromMs: atMs, toMs: atMs + forMs };
        this.silences.push(silence);
        for (const one of this.open.values()) one.owedAfterSilence ??= this.silencedUntil(one, atMs, [silence]);
        break;
      }
      case 'unsilence':
        this.silences = this.silences.filter(({ id }) => id !== input.silenceId);
        for (const one of this.open.values()) {
          if (one.owedAfterSilence === null) continue;
          const until = this.silencedUntil(one, atMs);
          if (until === null) this.silenceOver(one, atMs);
          else one.owedAfterSilence = Math.min(one.owedAfterSilence, until);
        }
        break;
      case 'acknowledge': {
        const one = this.open.get(input.episodeId);
        if (!one) break;
        const most = this.policy.acknowledgeExpiryMs[one.event.severity];
        one.careUntil = atMs + Math.min(input.forMs ?? most, most);
        break;
      }
      case 'withdraw': {
        const one = this.open.get(input.episodeId);
        if (one && one.careUntil !== null) this.careOver(one, atMs);
        break;
      }
      case 'event':
        this.watchSays(input.event, atMs);
    }
  }

  /** All that becomes due before `untilMs`, the earliest first. */
  passTo(untilMs: number): void {
    for (;;) {
      let next: { at: number; act: () => void } | undefined;
      for (const one of this.open.values())
        for (const due of this.dues(one)) if (due.at < untilMs && due.at < (next?.at ?? Infinity)) next = due;
      if (!next) return;
      next.act();
    }
  }

  private dues(one: Open): { at: number; act: () => void }[] {
    const dues: { at: number; act: () => void }[] = [];
    const { careUntil, reminder } = one;
    if (careUntil !== null) dues.push({ at: careUntil, act: () => this.careOver(one, careUntil) });
    const { owedAfterSilence: quiet } = one;
    if (quiet !== null) dues.push({ at: quiet, act: () => this.silenceOver(one, quiet) });
    for (const at of one.looks)
      dues.push({
        at,
        act: () => {
          one.looks = one.looks.filter((look) => look !== at);
          if (one.owedAfterHistory) this.historyOver(one, at);
        },
      });
    if (reminder) dues.push({ at: reminder.at, act: () => this.remind(one, reminder.at, reminder.number) });
    for (const { at, level } of one.escalations) dues.push({ at, act: () => this.escalate(one, at, level) });
    return dues;
  }

  private watchSays(event: EpisodeEvent, at: number): void {
    if (this.over.has(event.episodeId)) return;
    const known = this.open.get(event.episodeId);
    const one = known ?? newcomer(event);
    if (event.kind === 'resolved') {
      for (const to of one.toldOfIt) this.say(at, 'resolved', to, one);
      this.open.delete(one.id);
      this.over.add(one.id);
      return;
    }
    if (event.kind === 'fresh') return;
    this.open.set(one.id, one);
    one.event = event;
    if (event.kind === 'worsened') one.careUntil = null;
    if (event.mark) {
      if (!one.owedAfterHistory) one.looks.push(at + 60_000);
      one.owedAfterHistory = true;
      if (one.owedAfterSilence !== null) one.owedAfterSilence = this.silencedUntil(one, at);
      return;
    }
    const silenced = this.silencedUntil(one, at);
    const verdict = !known && event.kind === 'raised' ? this.begins(event, at, silenced === null) : 'steady';
    if (silenced !== null) {
      one.owedAfterSilence = silenced;
      return;
    }
    const { topic, reminder } = this.route(one);
    const { withinMs } = this.policy.flapping;
    if (verdict !== 'steady') {
      one.heldAsFlapping = true;
      if (verdict === 'unstable') {
        this.tell(at, 'unstable', [topic], one);
        this.anew(one, at, 1);
      }
      if (verdict === 'flapping' || reminder === null) one.reminder = { at: at + withinMs, number: 1 };
      return;
    }
    if (event.kind === 'stale') {
      if (at - one.lastStale < withinMs) return;
      one.lastStale = at;
      this.tell(at, 'stale', [topic], one);
      return;
    }
    const before = [...one.toldOfIt, ...one.toldOfKey];
    this.tell(at, event.kind, event.kind === 'worsened' ? [topic, ...before] : [topic], one);
    one.heldAsFlapping = false;
    this.anew(one, at, 1);
  }

  private begins(event: EpisodeEvent, at: number, mayTell: boolean): 'steady' | 'unstable' | 'flapping' {
    const { episodes, withinMs } = this.policy.flapping;
    const key = `${event.patient.id} ${event.attribute} ${event.direction}`;
    const known = this.beginnings.get(key) ?? { times: [], unstable: false };
    this.beginnings.set(key, known);
    if (known.times.every((time) => time <= at - withinMs)) known.unstable = false;
    known.times.push(at);
    if (known.unstable) return 'flapping';
    known.unstable = mayTell && known.times.filter((time) => time > at - withinMs).length >= episodes;
    return known.unstable ? 'unstable' : 'steady';
  }

  private careOver(one: Open, at: number): void {
    one.careUntil = null;
    if (this.heldNow(one, at)) return;
    this.tell(at, 'reminder', [this.route(one).topic], one);
    this.anew(one, at, 2);
  }

  private silenceOver(one: Open, at: number): void {
    one.owedAfterSilence = null;
    if (this.heldNow(one, at)) return;
    this.tell(at, 'silence-ended', [this.route(one).topic], one);
    one.heldAsFlapping = false;
    this.anew(one, at, 1);
  }

  private historyOver(one: Open, at: number): void {
    one.owedAfterHistory = false;
    if (this.heldNow(one, at)) return;
    this.tell(at, 'summary', [this.route(one).topic, ...one.toldOfIt], one);
    this.anew(one, at, 1);
  }

  private remind(one: Open, at: number, number: number): void {
    one.reminder = null;
    if (this.heldNow(one, at)) return;
    const { topic, reminder } = this.route(one);
    const anyway = one.heldAsFlapping && number === 1;
    if (!anyway && number > (reminder?.most ?? 0)) return;
    const heardBefore = one.heard;
    this.tell(at, 'reminder', [topic], one);
    if (!heardBefore) {
      one.heldAsFlapping = false;
      this.anew(one, at, 1);
    } else if (reminder && number < reminder.most) one.reminder = { at: at + reminder.everyMs, number: number + 1 };
  }

  private escalate(one: Open, at: number, level: number): void {
    one.escalations = one.escalations.filter((other) => other.level !== level);
    if (this.heldNow(one, at)) return;
    const to = this.route(one).escalation[level - 1];
    if (to) this.tell(at, 'escalated', [to.topic], one);
  }

  /** Nobody is to be told now; a silence leaves something to tell. */
  private heldNow(one: Open, at: number): boolean {
    if (one.careUntil !== null) return true;
    const silenced = this.silencedUntil(one, at);
    if (silenced === null) return false;
    one.owedAfterSilence = silenced;
    return true;
  }

  private anew(one: Open, at: number, firstReminder: number): void {
    const { escalation, reminder } = this.route(one);
    one.escalations = escalation.map(({ afterMs }, i) => ({ at: at + afterMs, level: i + 1 }));
    const more = reminder !== null && firstReminder <= reminder.most;
    one.reminder = more ? { at: at + reminder.everyMs, number: firstReminder } : null;
  }

  private tell(at: number, kind: string, to: readonly string[], one: Open): void {
    for (const destination of new Set(to)) {
      this.say(at, kind, destination, one);
      (kind === 'unstable' ? one.toldOfKey : one.toldOfIt).add(destination);
    }
    if (kind !== 'stale') one.heard = true;
    if (kind === 'stale' || kind === 'escalated') return;
    one.owedAfterHistory = false;
    one.owedAfterSilence = null;
  }

  private say(at: number, kind: string, to: string, one: Open): void {
    this.told.push(`${at} ${kind} ${to} ${one.id}`);
  }

  private route({ event }: Open): Route {
    const fits = (some: readonly string[] | undefined, value: string) => !some || some.includes(value);
    const found = this.policy.routes.find(
      ({ match }) => fits(match.wards, event.patient.ward ?? '') && fits(match.severities, event.severity),
    );
    if (!found) throw new Error('a policy without a default');
    return found;
  }

  /** When the silences that hold now are over for it; null: none does. */
  private silencedUntil({ event }: Open, at: number, silences = this.silences): number | null {
    const most = this.policy.silenceMostMs[event.severity];
    const ends = silences
      .filter(
        ({ matcher: m }) =>
          (m.ward ?? event.patient.ward) === event.patient.ward &&
          (m.patientId ?? event.patient.id) === event.patient.id &&
          (m.attribute ?? event.attribute) === event.attribute,
      )
      .map(({ fromMs, toMs }) => Math.min(toMs, fromMs + most))
      .filter((end) => end > at);
    return ends.length === 0 ? null : Math.max(...ends);
  }
}

function newcomer(event: EpisodeEvent): Open {
  return {
    id: event.episodeId,
    event,
    careUntil: null,
    owedAfterSilence: null,
    owedAfterHistory: false,
    looks: [],
    reminder: null,
    escalations: [],
    toldOfIt: new Set(),
    toldOfKey: new Set(),
    heard: false,
    heldAsFlapping: false,
    lastStale: Number.NEGATIVE_INFINITY,
  };
}
