// What a hospital decides about its alerts: policy.yaml, validated by src/config. `version` is a hash of its content and stands in each event.
import type { Severity } from './events.js';

/** When an episode begins, ends and goes stale (alerts.md, Condition). Durations in ms of event time. */
export interface ConditionTiming {
  /** Abnormal for so long, and in so many samples, before it is raised; 0 and 1: at once. */
  readonly sustainMs: number;
  readonly minSamples: number;
  /** How far inside the normal band a value must lie to count as normal for an open episode, in the attribute's unit. */
  readonly clearMargin: number;
  /** Normal for so long, and in so many samples, before it is resolved. */
  readonly clearAfterMs: number;
  readonly clearSamples: number;
  /** No reading for so long while ticks arrive: stale. */
  readonly staleAfterMs: number;
}

export type BySeverity<T> = Readonly<Record<Severity, T>>;

/** Whole rows: what policy.yaml leaves out is filled in from the row above. */
export interface ConditionTable {
  readonly default: ConditionTiming;
  readonly attributes: Readonly<Record<string, BySeverity<ConditionTiming>>>;
}

/** Every list that is there must contain the event's value; an absent one matches everything. */
export interface RouteMatch {
  readonly wards?: readonly string[];
  readonly severities?: readonly Severity[];
  readonly attributes?: readonly string[];
}

/** Told when nobody has acknowledged `afterMs` after the raised notification was decided. */
export interface EscalationLevel {
  readonly afterMs: number;
  readonly topic: string;
}

export interface Reminders {
  readonly everyMs: number;
  readonly most: number;
}

/** The first route whose matcher fits is taken; the last one is the default and matches everything. */
export interface Route {
  /** Unique; `default` is the last one. */
  readonly name: string;
  readonly match: RouteMatch;
  readonly topic: string;
  readonly escalation: readonly EscalationLevel[];
  readonly reminder: Reminders | null;
}

/** Per topic. SNS suspends an e-mail subscription above 10 messages a second. */
export interface SendLimits {
  readonly perSecond: number;
  readonly burst: number;
  /** More new episodes than this within 60 s: digests, one every `digestEveryMs`. */
  readonly digestAbove: number;
  readonly digestEveryMs: number;
}

export interface Policy {
  readonly version: string;
  readonly conditions: ConditionTable;
  /** Wards whose patients are expected to send data: their silence means something. */
  readonly expectDataWards: readonly string[];
  /** Older than this when evaluated: recorded and shown, never e-mailed one by one. */
  readonly alertMaxAgeMs: number;
  /** At least the default, which lies last. */
  readonly routes: readonly Route[];
  /** Told instead of a topic that refuses everything; null: nobody. */
  readonly fallbackTopic: string | null;
  /** An acknowledgement that is older ends while its episode is still active. */
  readonly acknowledgeExpiryMs: BySeverity<number>;
  /** The longest silence for alerts of that severity. */
  readonly silenceMostMs: BySeverity<number>;
  /** So many episodes of one patient, attribute and direction within `withinMs` are told as one "unstable". */
  readonly flapping: { readonly episodes: number; readonly withinMs: number };
  readonly limits: SendLimits;
}

/** The policy in force: another one may come between two calls. Take one per batch, decision or turn. */
export interface PolicySource {
  current(): Policy;
}

/** The row for one attribute and severity. */
export function timingOf(conditions: ConditionTable, attribute: string, severity: Severity): ConditionTiming {
  const own = Object.hasOwn(conditions.attributes, attribute) ? conditions.attributes[attribute] : undefined;
  return own?.[severity] ?? conditions.default;
}
