// Which technical alarms' conditions hold, as one process sees them in its own metrics. One row each.
import type { AlarmId, AlarmName } from './alarms.js';
import type { MetricName } from './metric-table.js';

export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}
/** All values of one metric; empty where it was never set. */
export type ReadMetric = (name: MetricName) => Promise<readonly Sample[]>;

const LAG_SECONDS = 30;
const CLOCK_SECONDS = 60;
const MINUTE_MS = 60_000;
/** Something that happens now and then is one alarm, not one a time. */
const RECENTLY_MS = 10 * MINUTE_MS;
/** Credentials are renewed in the background: one refusal may be the last of the old ones. */
const IDENTITY_TIMES = 2;
const IDENTITY_WITHIN_MS = 5 * MINUTE_MS;
/** Lists of transactions are asked for several times a second. */
const EVIDENCE_WITHIN_MS = 30_000;

interface LevelRow {
  readonly alarm: AlarmName;
  readonly metric: MetricName;
  readonly holds: (value: number, labels: Sample['labels']) => boolean;
  /** It means something only in a process where this one is above 0: whoever gave a task away keeps its last values. */
  readonly onlyWhile?: MetricName;
  /** The label that says what it is wrong with. */
  readonly subject?: string;
}

/** Gauges: it holds while the value does. */
const LEVELS: readonly LevelRow[] = [
  { alarm: 'source-silent', metric: 'watch_source_silent_seconds', holds: (s) => s > 0 },
  { alarm: 'poll-lag', metric: 'poll_lag_seconds', holds: (s) => s > LAG_SECONDS, onlyWhile: 'poll_active' },
  { alarm: 'consumer-lag', metric: 'consumer_lag_seconds', holds: (s) => s > LAG_SECONDS, subject: 'group' },
  { alarm: 'lake-damaged', metric: 'archive_damaged', holds: (files) => files > 0 },
  { alarm: 'policy-refused', metric: 'policy_refused', holds: (refused) => refused > 0 },
  {
    ...{ alarm: 'thresholds-refused', metric: 'import_refused' },
    holds: (refused, { table }) => refused > 0 && table === 'thresholds',
  },
  {
    ...{ alarm: 'subscription-none', metric: 'topic_subscriptions', subject: 'topic' },
    holds: (readers, { state }) => state === 'confirmed' && readers === 0,
  },
  {
    ...{ alarm: 'subscription-pending', metric: 'topic_subscriptions', subject: 'topic' },
    holds: (readers, { state }) => state === 'pending' && readers > 0,
  },
  {
    ...{ alarm: 'subscription-unknown', metric: 'topic_subscriptions', subject: 'topic' },
    holds: (unknown, { state }) => state === 'unknown' && unknown > 0,
  },
];

interface IncreaseRow {
  readonly alarm: AlarmName;
  readonly metric: MetricName;
  readonly counts: (labels: Sample['labels']) => boolean;
  readonly subject: string;
  readonly times: number;
  readonly withinMs: number;
}

const ALL = () => true;
const DEAD = { alarm: 'dead-rows', counts: ALL, times: 1, withinMs: RECENTLY_MS } as const;
const DEVICE = { alarm: 'device-clock', counts: ALL, subject: '', times: 1, withinMs: RECENTLY_MS } as const;

/** Counters: it holds for a while after they went up so often. */
const INCREASES: readonly IncreaseRow[] = [
  { ...DEAD, metric: 'watch_dead_total', subject: 'watch' },
  { ...DEAD, metric: 'dispatch_dead_total', subject: 'dispatch' },
  { ...DEAD, metric: 'archive_dead_rows_total', subject: 'archive' },
  { ...DEVICE, metric: 'watch_clamped_total' },
  { ...DEVICE, metric: 'watch_clock_skew_total' },
  {
    ...{ alarm: 'sns-identity', metric: 'notifications_total', subject: '' },
    counts: ({ reason }) => reason === 'identity',
    ...{ times: IDENTITY_TIMES, withinMs: IDENTITY_WITHIN_MS },
  },
];

export interface ConditionWatchParts {
  readonly read: ReadMetric;
  /** This machine's name. */
  readonly host: string;
  /** How old a table's version may be, seconds: two imports in a row did not come. Undefined: it is not imported by itself. */
  readonly staleAfterSeconds: (table: string, nowMs: number) => number | undefined;
}

/** To be looked at every few seconds: counters tell by what changed between two looks. */
export interface ConditionWatch {
  look(nowMs: number): Promise<readonly AlarmId[]>;
}

export function createConditionWatch({ read, host, staleAfterSeconds }: ConditionWatchParts): ConditionWatch {
  const counters = INCREASES.map((row) => ({ row, rises: createRises() }));
  const fresh = createRises();
  const others = createRises();
  return {
    look: async (nowMs) => {
      const found: AlarmId[] = [];
      for (const { alarm, metric, holds, subject, onlyWhile } of LEVELS) {
        if (onlyWhile && !(await read(onlyWhile)).some(({ value }) => value > 0)) continue;
        for (const { value, labels } of await read(metric))
          if (holds(value, labels))
            found.push({ name: alarm, subject: subject === undefined ? '' : String(labels[subject]) });
      }
      for (const { row, rises } of counters) {
        rises.note(sum(await read(row.metric), row.counts), nowMs);
        if (rises.within(row.withinMs, nowMs) >= row.times) found.push({ name: row.alarm, subject: row.subject });
      }
      const evidence = await read('poll_evidence_total');
      fresh.note(
        sum(evidence, ({ result }) => result === 'fresh'),
        nowMs,
      );
      others.note(
        sum(evidence, ({ result }) => result !== 'fresh'),
        nowMs,
      );
      if (others.within(EVIDENCE_WITHIN_MS, nowMs) > 0 && fresh.within(EVIDENCE_WITHIN_MS, nowMs) === 0)
        found.push({ name: 'evidence-unclear', subject: '' });
      for (const { value, labels } of await read('lookup_age_seconds')) {
        const table = String(labels.table);
        if (value > (staleAfterSeconds(table, nowMs) ?? Number.POSITIVE_INFINITY))
          found.push({ name: 'lookup-stale', subject: table });
      }
      for (const { value } of await read('clock_skew_seconds'))
        if (Math.abs(value) > CLOCK_SECONDS) found.push({ name: 'process-clock', subject: host });
      const [ended] = await read('audit_ended_seconds');
      const [holds] = await read('audit_holds');
      if ((ended?.value ?? 0) > 0 && holds?.value === 0) found.push({ name: 'audit-broken', subject: '' });
      return unique(found);
    },
  };
}

/** How much a counter went up, and when. */
function createRises() {
  let last: number | undefined;
  let rises: { readonly atMs: number; readonly by: number }[] = [];
  return {
    note: (value: number, nowMs: number): void => {
      const by = value - (last ?? 0);
      last = value;
      rises = rises.filter(({ atMs }) => nowMs - atMs < RECENTLY_MS);
      if (by > 0) rises.push({ atMs: nowMs, by });
    },
    within: (ms: number, nowMs: number): number =>
      rises.reduce((total, { atMs, by }) => (nowMs - atMs < ms ? total + by : total), 0),
  };
}

function sum(samples: readonly Sample[], counts: (labels: Sample['labels']) => boolean): number {
  return samples.reduce((total, { labels, value }) => (counts(labels) ? total + value : total), 0);
}

function unique(all: readonly AlarmId[]): readonly AlarmId[] {
  return [...new Map(all.map((one) => [`${one.name}:${one.subject}`, one])).values()];
}
