// Every metric: one row each. The prefix `wardwatch_` is added; labels are closed sets, never a patient.

export interface MetricRow {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** Seconds, for histograms. */
  readonly buckets?: readonly number[];
}

const LATENCY_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export const METRICS = [
  {
    name: 'poll_rows_total',
    type: 'counter',
    help: 'Rows read from the source and committed to vital-info.',
    labels: [],
  },
  { name: 'poll_commits_total', type: 'counter', help: 'Transactions of the poller, by outcome.', labels: ['outcome'] },
  { name: 'poll_lag_rows', type: 'gauge', help: 'Rows in the source above the position at the last look.', labels: [] },
  {
    name: 'poll_lag_seconds',
    type: 'gauge',
    help: 'Age of the oldest row of the last page when it was committed; while looks fail, time since the end of the table was last reached.',
    labels: [],
  },
  { name: 'poll_gaps_open', type: 'gauge', help: 'Skipped ids whose transaction may still commit.', labels: [] },
  { name: 'poll_gap_oldest_seconds', type: 'gauge', help: 'Age of the oldest open gap.', labels: [] },
  {
    name: 'poll_gap_transaction_seconds',
    type: 'gauge',
    help: 'How long the oldest transaction that can still commit the oldest gap has been seen; 0: none is known. `wardwatch source status` names it.',
    labels: [],
  },
  { name: 'poll_ids_retired_total', type: 'counter', help: 'Ids proved to be rolled back.', labels: [] },
  {
    name: 'poll_late_rows_total',
    type: 'counter',
    help: 'Rows that committed after a higher id was read.',
    labels: [],
  },
  {
    name: 'poll_marked_rows_total',
    type: 'counter',
    help: 'Rows added by requests, by what they are: backfill or replayed.',
    labels: ['mark'],
  },
  {
    name: 'poll_evidence_total',
    type: 'counter',
    help: 'Lists of open transactions asked for, by whether they counted.',
    labels: ['result'],
  },
  {
    name: 'poll_bad_values_total',
    type: 'counter',
    help: 'Values that could not be used, by attribute.',
    labels: ['attribute'],
  },
  {
    name: 'poll_restart_unchecked_rows',
    type: 'gauge',
    help: 'Rows that could not be compared after a restart of the source, because neither vital-info nor (so far) the lake has them.',
    labels: [],
  },
  { name: 'poll_active', type: 'gauge', help: '1 while this process is the active poller.', labels: [] },
  { name: 'archive_rows_total', type: 'counter', help: 'Rows published in the lake.', labels: ['topic'] },
  {
    name: 'archive_dead_rows_total',
    type: 'counter',
    help: 'Records that could not be decoded, kept in the _dead table.',
    labels: ['topic', 'reason'],
  },
  { name: 'archive_files_total', type: 'counter', help: 'Parquet files published.', labels: ['topic'] },
  { name: 'archive_buffered_bytes', type: 'gauge', help: 'Bytes waiting to be written.', labels: [] },
  {
    name: 'archive_flush_seconds',
    type: 'histogram',
    help: 'One flush, from first write to published.',
    labels: [],
    buckets: LATENCY_BUCKETS,
  },
  {
    name: 'archive_checkpoints_total',
    type: 'counter',
    help: 'Checkpoints that older commit records were folded into.',
    labels: ['topic'],
  },
  {
    name: 'archive_damaged',
    type: 'gauge',
    help: 'Files and records of the chains owned here that are missing, changed or strange; /ready names them.',
    labels: [],
  },
  {
    name: 'consumer_lag_rows',
    type: 'gauge',
    help: 'Records behind the end of the partitions owned here.',
    labels: ['group', 'topic'],
  },
  {
    name: 'consumer_lag_seconds',
    type: 'gauge',
    help: 'Age of the newest handled record when it was handled; it grows while more waits and nothing is handled.',
    labels: ['group', 'topic'],
  },
  { name: 'consumer_partitions', type: 'gauge', help: 'Partitions owned here, by state.', labels: ['group', 'state'] },
  {
    name: 'policy_changes_total',
    type: 'counter',
    help: 'Changes of policy.yaml while the process ran, by what became of them: taken or refused.',
    labels: ['result'],
  },
  {
    name: 'policy_refused',
    type: 'gauge',
    help: '1 while policy.yaml as it stands is broken and its last good version is in force; 0 otherwise.',
    labels: [],
  },
  { name: 'watch_readings_total', type: 'counter', help: 'Readings evaluated.', labels: [] },
  {
    name: 'watch_dead_total',
    type: 'counter',
    help: 'Records that could not be decoded, by reason.',
    labels: ['reason'],
  },
  { name: 'watch_clamped_total', type: 'counter', help: 'Readings from a device clock in the future.', labels: [] },
  { name: 'watch_clock_skew_total', type: 'counter', help: 'Readings measured before they can have been.', labels: [] },
  {
    name: 'watch_events_total',
    type: 'counter',
    help: 'Events written to doctors-queue.',
    labels: ['kind', 'severity'],
  },
  {
    name: 'watch_unclassified_total',
    type: 'counter',
    help: 'Values that could not be judged, by reason.',
    labels: ['reason'],
  },
  {
    name: 'watch_transients_total',
    type: 'counter',
    help: 'Pending episodes that ended before they had lasted long enough: nobody heard of them.',
    labels: [],
  },
  {
    name: 'watch_source_silent_seconds',
    type: 'gauge',
    help: "Age of the oldest newest tick while none arrives; 0 while they do. A patient's silence is judged only then.",
    labels: [],
  },
  { name: 'watch_episodes_open', type: 'gauge', help: 'Episodes open on the partitions owned here.', labels: [] },
  {
    name: 'watch_evaluate_seconds',
    type: 'histogram',
    help: 'From measured to evaluated.',
    labels: [],
    buckets: LATENCY_BUCKETS,
  },
  {
    name: 'lookup_misses_total',
    type: 'counter',
    help: 'Patients asked for that memory did not have, by where they were found.',
    labels: ['found'],
  },
  { name: 'lookup_age_seconds', type: 'gauge', help: 'Age of the version in use.', labels: ['table'] },
  { name: 'lookup_rows', type: 'gauge', help: 'Rows of the version in use.', labels: ['table'] },
  { name: 'import_runs_total', type: 'counter', help: 'Imports, by outcome.', labels: ['table', 'outcome'] },
  {
    name: 'import_refused',
    type: 'gauge',
    help: '1 while the newest import of the table was refused and its last good version stays.',
    labels: ['table'],
  },
  {
    name: 'import_rows_total',
    type: 'counter',
    help: 'Rows that an import added, changed or deleted.',
    labels: ['table', 'change'],
  },
  {
    name: 'import_skipped_ticks_total',
    type: 'counter',
    help: 'Ticks skipped because the one before still ran.',
    labels: ['table'],
  },
  {
    name: 'dispatch_decisions_total',
    type: 'counter',
    help: 'Decisions on notifications, by kind and reason.',
    labels: ['kind', 'reason'],
  },
  {
    name: 'dispatch_dead_total',
    type: 'counter',
    help: 'Records of doctors-queue that could not be decoded.',
    labels: ['reason'],
  },
  {
    name: 'notifications_total',
    type: 'counter',
    help: 'Notifications by kind, outcome and reason.',
    labels: ['kind', 'outcome', 'reason'],
  },
  {
    name: 'notifications_open',
    type: 'gauge',
    help: 'Notifications in the ledger that wait or are being sent.',
    labels: ['state'],
  },
  {
    name: 'notification_seconds',
    type: 'histogram',
    help: 'From measured (or, where that is later, the last read without the row) to accepted by SNS.',
    labels: ['kind'],
    buckets: LATENCY_BUCKETS,
  },
  {
    name: 'audit_runs_total',
    type: 'counter',
    help: 'Audits, by outcome: holds, broken, impossible (nothing to compare), failed.',
    labels: ['outcome'],
  },
  { name: 'audit_holds', type: 'gauge', help: '1 while the newest audit held, 0 while it did not.', labels: [] },
  {
    name: 'audit_offending',
    type: 'gauge',
    help: 'What the newest audit found against each term.',
    labels: ['term'],
  },
  {
    name: 'audit_ended_seconds',
    type: 'gauge',
    help: 'When the newest audit ended, seconds since 1970: an old one proves nothing.',
    labels: [],
  },
  {
    name: 'alarm_open',
    type: 'gauge',
    help: 'Technical alarms that are open, by name. Each replica of dispatch says the same.',
    labels: ['alarm'],
  },
  {
    name: 'heartbeat_age_seconds',
    type: 'gauge',
    help: "Age of the oldest partition's newest heartbeat that SNS accepted: the whole way from RDS on.",
    labels: [],
  },
  {
    name: 'topic_subscriptions',
    type: 'gauge',
    help: 'Readers of a topic, by state: confirmed, pending; unknown is 1 where they could not be asked for.',
    labels: ['topic', 'state'],
  },
  { name: 'queue_depth', type: 'gauge', help: 'Jobs of a BullMQ queue by state.', labels: ['queue', 'state'] },
  { name: 'jobs_total', type: 'counter', help: 'Jobs handled, by outcome.', labels: ['queue', 'outcome'] },
  {
    name: 'clock_skew_seconds',
    type: 'gauge',
    help: "This process's clock minus Redis's.",
    labels: [],
  },
  { name: 'service_up', type: 'gauge', help: '1 while the service answered last time.', labels: ['service'] },
] as const satisfies readonly MetricRow[];

export type MetricName = (typeof METRICS)[number]['name'];
