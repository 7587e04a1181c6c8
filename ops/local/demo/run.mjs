// One demo from preparation to summary. Whatever happens, what was started is stopped and what was made is removed.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { bootstrap } from '../bootstrap.mjs';
import { scrubInPlace } from '../environment.mjs';
import { createPhases } from './phases.mjs';
import { percentile, printSummary, sumUp } from './summary.mjs';

const DRAIN_WITHIN_MS = 90_000;
const DRAIN_POLL_MS = 250;
const VIEW_EVERY_MS = 1_000;
const EXIT_INTERRUPTED = 130;

/** Resolves with the exit code: 0 only if everything adds up. */
export async function runDemo(options) {
  const write = (text) => process.stdout.write(text);
  const nowMs = () => Date.now();
  const startedMs = nowMs();
  const phases = createPhases(write, nowMs);
  const interrupt = watchForInterrupt(write);
  const undo = [];
  try {
    write('wardwatch demo: the whole pipeline on services of its own\n');
    scrubInPlace(process.env);
    await bootstrap({ stack: options.stack, write });
    const { setUpPipeline } = await import('./pipeline.mjs');
    const pipeline = await setUpPipeline({ options, phases, write, undo, id: randomBytes(4).toString('hex') });
    interrupt.check();
    return await play({ options, pipeline, phases, write, nowMs, startedMs, interrupt, undo });
  } catch (error) {
    if (error === interrupt.reason) {
      write('\nstopped before the ward was running\n');
      return EXIT_INTERRUPTED;
    }
    write(`\n${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    for (const { what, run } of undo.reverse()) {
      await run().catch((error) => write(`cleaning up (${what}) failed: ${error.message}\n`));
    }
    interrupt.close();
  }
}

/** The ward lives: simulate, watch, drain, sum up. */
async function play({ options, pipeline, phases, write, nowMs, startedMs, interrupt, undo }) {
  const { simulator, roles, follower, tally, inbox, recompute, next } = pipeline;
  const failed = deferred();
  pipeline.onFailure((error) => failed.reject(error));
  const beganMs = nowMs();
  simulator.start().catch((error) => failed.reject(error));
  undo.push({ what: 'simulator', run: () => simulator.stop() });
  let firstMailMs = null;
  const looking = look();
  const enough = options.forMs === null ? never() : after(options.forMs);
  if (options.forMs !== null)
    write(`  ward running for ${options.forMs / 1000} s; the scripted patient deteriorates after 5 s and recovers\n`);
  await Promise.race([enough, interrupt.asked, failed.promise, looking.failed]);
  await simulator.stop();
  await looking.stop();
  await phases.run('draining', () => Promise.race([drained(), failed.promise]));
  const workersNotZero = await phases.run('stopping the workers', () => roles.stop());
  await follower.advance();
  const { expected, openEpisodes } = await recompute();
  const inboxIds = (await inbox.messages()).map((message) => message.messageId);
  const summary = sumUp({
    rds: await tally.rds(),
    lake: await tally.lake(),
    expected,
    events: follower.events,
    toSend: follower.toSend(),
    inboxIds,
    latenciesMs: latencies(),
    unreadable: follower.unreadable(),
    workersNotZero,
  });
  const { counts } = simulator;
  write(
    `\nward: ${counts.commits} transactions committed, ${counts.rollbacks} rolled back (${counts.rolledBackRows} rows); ${openEpisodes} episodes still open at the end\n` +
      `first e-mail ${firstMailMs === null ? 'not seen while running' : `${((firstMailMs - startedMs) / 1000).toFixed(1)} s after the start of the demo`}\n`,
  );
  printSummary(summary, write);
  if (options.report) writeFileSync(options.report, `${JSON.stringify(summary.report, undefined, 2)}\n`);
  return summary.report.ok ? 0 : 1;

  /** Row commit (as the device saw it) to e-mail accepted by SNS, for each raised and resolved event. */
  function latencies() {
    const found = [];
    for (const { record, accepted } of follower.toSend()) {
      const event = follower.events.get(record.eventId);
      const committedMs = event && simulator.committedAtMs(event.readingId.slice(event.readingId.lastIndexOf(':') + 1));
      if (committedMs !== undefined && accepted[0]) found.push(accepted[0].atMs - committedMs);
    }
    return found;
  }

  /** Each second: what has come of it so far; on a terminal, drawn. */
  function look() {
    const stopping = deferred();
    let stopped = false;
    const before = { rds: 0, kafka: 0, lake: 0 };
    const run = async () => {
      for (;;) {
        await Promise.race([after(VIEW_EVERY_MS), stopping.promise]);
        if (stopped) return;
        await follower.advance();
        const email = await inbox.newest();
        if (email && firstMailMs === null) firstMailMs = nowMs();
        if (options.forMs !== null || !process.stdout.isTTY) continue;
        const now = {
          rds: simulator.counts.committedRows,
          kafka: await roles.sum('poll_rows_total'),
          lake: await roles.sum('archive_rows_total'),
        };
        write(frameOf(now, before, email));
        Object.assign(before, now);
      }
    };
    const running = run();
    const failure = deferred();
    running.catch(failure.reject);
    return {
      failed: failure.promise,
      stop: async () => {
        stopped = true;
        stopping.resolve();
        await running;
      },
    };
  }

  function frameOf(now, before, email) {
    const kinds = [...follower.events.values()].map((event) => event.kind);
    return pipeline.frame({
      seconds: Math.round((nowMs() - beganMs) / 1000),
      rates: { rds: now.rds - before.rds, kafka: now.kafka - before.kafka, lake: now.lake - before.lake },
      alerts: {
        raised: kinds.filter((kind) => kind === 'raised').length,
        resolved: kinds.filter((kind) => kind === 'resolved').length,
        accepted: follower.toSend().filter((entry) => entry.accepted.length > 0).length,
      },
      latencyP50Ms: percentile(latencies(), 0.5),
      email,
      addresses: roles.addresses(),
      next,
    });
  }

  /** Resolves when nothing is under way any more; rejects with what is. */
  async function drained() {
    const untilMs = nowMs() + DRAIN_WITHIN_MS;
    for (;;) {
      const waitingFor = await underWay();
      if (waitingFor === null) return;
      if (nowMs() > untilMs) throw new Error(`not drained after ${DRAIN_WITHIN_MS / 1000} s: ${waitingFor}`);
      await after(DRAIN_POLL_MS);
    }
  }

  async function underWay() {
    const rds = await tally.rds();
    const polled = await roles.sum('poll_rows_total');
    if (polled < rds.rows) return `${polled} of ${rds.rows} rows polled`;
    const gaps = await roles.sum('poll_gaps_open');
    if (gaps > 0) return `${gaps} skipped ids not yet retired`;
    const archived = await roles.sum('archive_rows_total');
    if (archived < rds.rows) return `${archived} of ${rds.rows} rows in the lake`;
    const watched = await roles.sum('watch_readings_total');
    if (watched < rds.rows) return `${watched} of ${rds.rows} rows evaluated`;
    await follower.advance();
    const decided = new Set([...follower.notifications.values()].map((entry) => entry.record.eventId));
    const undecided = [...follower.events.keys()].filter((id) => !decided.has(id));
    if (undecided.length > 0) return `${undecided.length} events without a decision`;
    const open = follower.toSend().filter((entry) => entry.accepted.length === 0);
    return open.length > 0 ? `${open.length} e-mails not yet accepted` : null;
  }
}

/** The first SIGINT or SIGTERM asks for an orderly end, the second ends the process (the next start cleans up). */
function watchForInterrupt(write) {
  const reason = new Error('interrupted');
  const asked = deferred();
  let times = 0;
  const onSignal = () => {
    times += 1;
    if (times > 1) process.exit(EXIT_INTERRUPTED);
    write('\nstopping (once more: at once; the next start cleans up)\n');
    asked.resolve();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return {
    reason,
    asked: asked.promise,
    check: () => {
      if (times > 0) throw reason;
    },
    close: () => process.off('SIGINT', onSignal).off('SIGTERM', onSignal),
  };
}

/** A promise with its ends; an unheard rejection is no crash, since it is raced later. */
function deferred() {
  let resolve;
  let reject;
  const promise = new Promise((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

function after(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function never() {
  return new Promise(() => undefined);
}
