// Does it add up? The demo's equation, term by term, and how it is printed.

/** Each term: {name, ok, text}. `report` is what --report writes. */
export function sumUp({
  rds,
  lake,
  expected,
  events,
  repeated,
  toSend,
  suppressed,
  inboxIds,
  latenciesMs,
  unreadable,
  workersNotZero,
  audit,
}) {
  const alerts = [...events.values()];
  const raised = alerts.filter((event) => event.kind === 'raised');
  const worsened = alerts.filter((event) => event.kind === 'worsened');
  const resolved = alerts.filter((event) => event.kind === 'resolved');
  const described = [...raised, ...worsened, ...resolved].map(describe);
  const got = new Set(described);
  const doubled = [...repeated, ...described.filter((text, i) => described.indexOf(text) !== i)];
  const missing = [...expected].filter((text) => !got.has(text));
  const surplus = [...got].filter((text) => !expected.has(text));
  const acceptedIds = toSend.flatMap((entry) =>
    // What another message stood for was accepted with that one.
    entry.accepted.filter(({ coveredBy }) => !coveredBy).map(({ snsMessageId }) => snsMessageId),
  );
  const received = new Set(inboxIds);
  // What somebody had in hand, or was over, before it was published is not sent.
  const notOnce = toSend.filter(({ accepted, outcome }) => accepted.length !== 1 && outcome !== 'cancelled');
  const decided = new Set([...Object.keys(suppressed), ...toSend.map((entry) => entry.record.eventId)]);
  const undecided = [...raised, ...worsened, ...resolved].filter(({ eventId }) => !decided.has(eventId));
  const reasons = [...new Set(Object.values(suppressed))].sort();
  const terms = [
    term(
      'rows',
      rds.rows === lake.rows && lake.rows === lake.distinctIds && lake.deadRows === 0,
      `${rds.rows} committed in RDS = ${lake.rows} in the lake = ${lake.distinctIds} distinct ids, ${lake.deadRows} dead`,
    ),
    term(
      'alerts',
      missing.length === 0 && surplus.length === 0 && doubled.length === 0 && unreadable === 0,
      `${raised.length} raised, ${worsened.length} worsened and ${resolved.length} resolved on doctors-queue = recomputed over the lake${list('missing', missing)}${list('not expected', surplus)}${list('twice', doubled)}${
        unreadable > 0 ? `; ${unreadable} unreadable records` : ''
      }`,
    ),
    term(
      'decisions',
      notOnce.length === 0 && undecided.length === 0,
      `${toSend.length} decisions to send, each accepted once or not wanted any more${
        reasons.length > 0
          ? `; ${Object.keys(suppressed).length} events that nobody is told of (${reasons.join(', ')})`
          : ''
      }${list(
        'not once',
        notOnce.map((entry) => `${entry.record.eventId} (${entry.states.join(' ')})`),
      )}${list(
        'no decision',
        undecided.map((event) => event.eventId),
      )}`,
    ),
    term(
      'e-mails',
      acceptedIds.length === inboxIds.length &&
        received.size === inboxIds.length &&
        acceptedIds.every((id) => received.has(id)),
      `${acceptedIds.length} accepted by SNS = ${inboxIds.length} received at the inbox`,
    ),
    term(
      'processes',
      workersNotZero.length === 0,
      workersNotZero.length === 0
        ? 'every worker ended by itself, with everything committed'
        : workersNotZero.map((end) => `${end.name} ended with ${end.code}`).join(', '),
    ),
    term(
      'audit',
      audit.ok,
      audit.ok ? `wardwatch audit: ${audit.says}` : `wardwatch audit does not hold:\n${audit.says}`,
    ),
  ];
  const latency = { p50: percentile(latenciesMs, 0.5), p99: percentile(latenciesMs, 0.99) };
  const ok = terms.every((one) => one.ok);
  const report = {
    rdsRows: rds.rows,
    lakeRows: lake.rows,
    lakeDistinctIds: lake.distinctIds,
    deadRows: lake.deadRows,
    alertsRaised: raised.length,
    alertsResolved: resolved.length,
    emailsAccepted: acceptedIds.length,
    emailsReceived: inboxIds.length,
    latencyMs: latency,
    ok,
  };
  return { terms, report };
}

export function printSummary({ terms, report, story = [] }, write) {
  write('\nSummary\n');
  for (const { name, ok, text } of terms) write(`  ${ok ? '✓' : '✗'} ${name.padEnd(10)} ${text}\n`);
  const ms = (value) => (value === null ? 'no alert' : `${value} ms`);
  write(
    `  · latency    row commit to e-mail accepted: p50 ${ms(report.latencyMs.p50)}, p99 ${ms(report.latencyMs.p99)}\n`,
  );
  if (story.length > 0) write(`  · episode    the scripted patient: ${story.join(', ')}\n`);
  write(report.ok ? '  It adds up.\n' : '  It does NOT add up.\n');
}

function describe(event) {
  const row = event.readingId.slice(event.readingId.lastIndexOf(':') + 1);
  return `${event.kind} ${event.patient.id} ${event.attribute} ${event.direction} ${row}`;
}

function term(name, ok, text) {
  return { name, ok, text };
}

function list(what, items) {
  const SHOWN = 5;
  if (items.length === 0) return '';
  return `; ${items.length} ${what}: ${items.slice(0, SHOWN).join(' | ')}${items.length > SHOWN ? ' …' : ''}`;
}

/** Nearest rank; null for an empty list. */
export function percentile(values, share) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
}
