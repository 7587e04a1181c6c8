// One demo from preparation to summary. Whatever happens, what was started is stopped and what was made is removed.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { bootstrap, exitWithMessage } from '../bootstrap.mjs';
import { scrubInPlace } from '../environment.mjs';
import { endOwnRuns } from '../state.mjs';
import { drain } from './drain.mjs';
import { watchForInterrupt } from './interrupt.mjs';
import { startLook } from './look.mjs';
import { createPhases } from './phases.mjs';
import { printSummary, sumUp } from './summary.mjs';
import { createScreen } from './view.mjs';

/** Resolves with the exit code: 0 only if everything adds up. `options` as parseOptions() answers them. */
export async function runDemo(options) {
  const write = (text) => process.stdout.write(text);
  const nowMs = () => Date.now();
  const startedMs = nowMs();
  const interrupt = watchForInterrupt({ write, nowMs, endAtOnce: endOwnRuns });
  const phases = createPhases(write, nowMs, interrupt.starting);
  const undo = [];
  try {
    write('wardwatch demo: the whole pipeline on services of its own\n');
    // With the environment as it is: npm, Maven and apt-get may need its proxies. Nothing else sees it.
    await bootstrap({ stack: options.stack, hdfs: options.lake === 'hdfs', write });
    scrubInPlace(process.env);
    const { setUpPipeline } = await import('./pipeline.mjs');
    const id = randomBytes(4).toString('hex');
    const pipeline = await setUpPipeline({ options, phases, write, undo, id, signal: interrupt.starting });
    interrupt.started();
    return await play({ options, pipeline, write, nowMs, startedMs, interrupt, undo });
  } catch (error) {
    // A program that Ctrl-C ended has failed before our own handler had its turn.
    await new Promise((resolve) => setImmediate(resolve));
    await interrupt.endedAtOnce();
    exitWithMessage(interrupt.starting.aborted ? interrupt.starting.reason : error);
    return process.exitCode;
  } finally {
    for (const { what, run } of undo.reverse()) {
      await run().catch((error) => write(`cleaning up (${what}) failed: ${error.message}\n`));
    }
    interrupt.close();
  }
}

/** The ward lives: simulate, look, drain, sum up. */
async function play({ options, pipeline, write, nowMs, startedMs, interrupt, undo }) {
  const { simulator, roles, follower } = pipeline;
  // Its phases run to their end: Ctrl-C asks for them.
  const phases = createPhases(write, nowMs);
  const latencies = () => latenciesOf(follower, simulator);
  const enough = options.forMs === null ? 'until Ctrl-C' : `for ${options.forMs / 1000} s`;
  write(`  ward running ${enough}; the scripted patient deteriorates after 5 s and recovers\n`);
  const ward = simulator.start();
  undo.push({ what: 'simulator', run: () => simulator.stop() });
  const screen = options.view ? createScreen(process.stdout) : null;
  const look = startLook({ pipeline, screen, nowMs, latencies });
  try {
    const never = new Promise(() => undefined);
    // Without a reference: it must not keep a demo that failed from ending.
    const over = options.forMs === null ? never : delay(options.forMs, undefined, { ref: false });
    await Promise.race([over, interrupt.asked, pipeline.failed, ward.then(() => never), look.failed]);
    await simulator.stop();
    await Promise.race([look.stop(), pipeline.failed]);
  } finally {
    screen?.leave();
  }
  await phases.run('draining', () => Promise.race([drain(pipeline, nowMs), pipeline.failed]));
  const workersNotZero = await phases.run('stopping the workers', () => roles.stop());
  if (pipeline.fetchLake) await phases.run('fetching the lake from HDFS (hadoop fs -copyToLocal)', pipeline.fetchLake);
  const audit = await phases.run('wardwatch audit', () => pipeline.audit());
  const summary = await summaryOf({ pipeline, workersNotZero, latencies, audit });
  const { counts } = simulator;
  const first = look.firstMailAtMs();
  write(
    `\nward: ${counts.commits} transactions committed, ${counts.rollbacks} rolled back (${counts.rolledBackRows} rows); ${summary.openEpisodes} episodes still open at the end\n${
      counts.notRead > 0 ? `${counts.notRead} readings not taken: the database could not keep up with the ward\n` : ''
    }first e-mail ${first === null ? 'not seen while running' : `${((first - startedMs) / 1000).toFixed(1)} s after the start of the demo`}\n`,
  );
  printSummary(summary, write);
  if (options.report) writeFileSync(options.report, `${JSON.stringify(summary.report, undefined, 2)}\n`);
  return summary.report.ok ? 0 : 1;
}

/** Counts everything once more, now that nothing moves. */
async function summaryOf({ pipeline, workersNotZero, latencies, audit }) {
  const { follower, tally, inbox } = pipeline;
  await follower.advance();
  const { expected, openEpisodes } = await pipeline.recompute();
  const summary = sumUp({
    rds: await tally.rds(),
    lake: await tally.lake(),
    expected,
    events: follower.events,
    repeated: follower.repeated(),
    toSend: follower.toSend(),
    suppressed: follower.suppressed(),
    inboxIds: (await inbox.messages()).map((message) => message.messageId),
    latenciesMs: latencies(),
    unreadable: follower.unreadable(),
    workersNotZero,
    audit,
  });
  return { ...summary, openEpisodes, story: pipeline.story() };
}

/** Row commit (as the device saw it) to e-mail accepted by SNS, for each raised and resolved event; a reminder is late on purpose. */
function latenciesOf(follower, simulator) {
  const found = [];
  for (const { record, accepted } of follower.toSend()) {
    const event = ['raised', 'resolved'].includes(record.kind) ? follower.events.get(record.eventId) : undefined;
    const committedMs = event && simulator.committedAtMs(event.readingId.slice(event.readingId.lastIndexOf(':') + 1));
    if (committedMs !== undefined && accepted[0]) found.push(accepted[0].atMs - committedMs);
  }
  return found;
}
