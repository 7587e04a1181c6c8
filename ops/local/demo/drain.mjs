// Waits until nothing of a stopped ward is under way any more.
import { CommandError } from '../command-error.mjs';

/** Metric of the rows of vital_info in the lake. */
export const ARCHIVED_ROWS = 'archive_rows_total{topic="vital-info"';
const WITHIN_MS = 90_000;
const POLL_MS = 250;
/** What goes off later finds the workers gone. */
const TIMERS_AHEAD_MS = 5_000;

/** Rejects with what is still under way, after a time in which a healthy pipeline is done many times over. */
export async function drain(parts, nowMs) {
  const untilMs = nowMs() + WITHIN_MS;
  for (;;) {
    const waitingFor = await underWay(parts, nowMs);
    if (waitingFor === null) return;
    if (nowMs() > untilMs) throw new CommandError(`not drained after ${WITHIN_MS / 1000} s: ${waitingFor}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function underWay({ tally, roles, follower }, nowMs) {
  const { rows } = await tally.rds();
  const [polled, gaps, archived, watched] = await roles.sums(
    'poll_rows_total',
    'poll_gaps_open',
    ARCHIVED_ROWS,
    'watch_readings_total',
  );
  if (polled < rows) return `${polled} of ${rows} rows polled`;
  if (gaps > 0) return `${gaps} skipped ids not yet retired`;
  if (archived < rows) return `${archived} of ${rows} rows in the lake`;
  if (watched < rows) return `${watched} of ${rows} rows evaluated`;
  await follower.advance();
  const decided = new Set([...follower.notifications.values()].map((entry) => entry.record.eventId));
  // What people do bears the decision of the event that it is about.
  const undecided = [...follower.events.values()].filter(({ eventId, patient }) => patient && !decided.has(eventId));
  if (undecided.length > 0) return `${undecided.length} events without a decision`;
  const timers = follower.timersBefore(nowMs() + TIMERS_AHEAD_MS);
  if (timers.length > 0) return `${timers.length} reminders or escalations about to be due`;
  const open = follower.toSend().filter(({ accepted, outcome }) => accepted.length === 0 && outcome !== 'cancelled');
  return open.length > 0 ? `${open.length} e-mails not yet accepted` : null;
}
