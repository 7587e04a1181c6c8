// Once a second: what has come of the ward so far, drawn where there is a terminal.
import { ARCHIVED_ROWS } from './drain.mjs';
import { percentile } from './summary.mjs';

const EVERY_MS = 1_000;

/**
 * `screen` is null without a terminal. Answers {failed, stop(), firstMailAtMs()}: `failed` rejects when something can't be
 * looked at any more.
 */
export function startLook({ pipeline, screen, nowMs, latencies }) {
  const { follower, inbox, roles, simulator } = pipeline;
  const beganMs = nowMs();
  let firstMailAtMs = null;
  let stopped = false;
  let stopWaiting = () => undefined;
  let before = { atMs: beganMs, rds: 0, kafka: 0, lake: 0 };

  const pause = () =>
    new Promise((resolve) => {
      stopWaiting = resolve;
      setTimeout(resolve, EVERY_MS);
    });

  const run = async () => {
    for (;;) {
      await pause();
      if (stopped) return;
      await follower.advance();
      await pipeline.act();
      const email = await inbox.newest();
      if (email) firstMailAtMs ??= nowMs();
      if (screen) await drawWith(email);
    }
  };

  const drawWith = async (email) => {
    const [kafka, lake] = await roles.sums('poll_rows_total', ARCHIVED_ROWS);
    const now = { atMs: nowMs(), rds: simulator.counts.committedRows, kafka, lake };
    const perSecond = (name) => Math.max(0, Math.round(((now[name] - before[name]) * 1000) / (now.atMs - before.atMs)));
    const kinds = [...follower.events.values()].map((event) => event.kind);
    screen.draw({
      seconds: Math.round((now.atMs - beganMs) / 1000),
      rates: { rds: perSecond('rds'), kafka: perSecond('kafka'), lake: perSecond('lake') },
      rows: now,
      alerts: {
        raised: kinds.filter((kind) => kind === 'raised').length,
        resolved: kinds.filter((kind) => kind === 'resolved').length,
        accepted: follower.toSend().filter((entry) => entry.accepted.length > 0).length,
      },
      latencyP50Ms: percentile(latencies(), 0.5),
      email,
      addresses: roles.addresses(),
      next: pipeline.next,
    });
    before = now;
  };

  const running = run();
  const failed = new Promise((_, reject) => running.catch(reject));
  failed.catch(() => undefined);
  return {
    failed,
    firstMailAtMs: () => firstMailAtMs,
    stop: async () => {
      stopped = true;
      stopWaiting();
      await running;
    },
  };
}
