// What the fault tests with a ward have in common: the tables they begin with, and that everything adds up in the end.
import { expect } from 'vitest';
import { expectAuditHolds } from './audit.js';
import { type Deployment, MAIN, startWorker } from './deployment.js';
import type { setUpFaultWorld } from './fault-world.mjs';
import { until } from './kafka.js';

type FaultWorld = Awaited<ReturnType<typeof setUpFaultWorld>>;

/** Patients and limits, by the program. */
export async function importTables({ env }: Pick<FaultWorld, 'env'>): Promise<void> {
  for (const table of ['patients', 'thresholds']) {
    const run = startWorker(['import', table], env, MAIN);
    expect(await run.exited, run.output.join('\n')).toBe(0);
  }
}

/** For what hangs. */
const WATCH_WITHIN_MS = 60_000;

/**
 * The end of a fault test whose deployment polls and archives, and need not watch: a watcher that comes late compares everything and everybody is
 * told, and the audit finds each row once, each id that was given up nowhere, the alerts that its own SQL expects, and what became of each.
 */
export async function expectAuditedWhole(
  deployment: Deployment,
  options: Parameters<typeof expectAuditHolds>[1] = {},
): Promise<void> {
  const imported = await deployment.run(['import', 'thresholds', '--file', 'ops/sql/thresholds-seed.csv']);
  expect(imported.code, imported.err).toBe(0);
  const watcher = deployment.worker('watch,dispatch,deliver');
  const owned = () => watcher.events.filter(({ event }) => event === 'watch.owned').length;
  const partitions = Number(deployment.env.KAFKA_PARTITIONS);
  await until('the watcher has begun', () => owned() >= partitions, WATCH_WITHIN_MS);
  await expectAuditHolds(deployment, options);
  watcher.signal('SIGTERM');
  expect(await watcher.exited).toBe(0);
}

/** Rows, retired ids, alerts and e-mails by oracles of the tests' own, then by the audit. Answers the verdict. */
export async function expectItAddsUp(world: FaultWorld, withinMs: number) {
  await world.simulator.stop();
  const verdict = await world.settle(withinMs);
  expect(
    verdict.terms.filter(({ ok }: { ok: boolean }) => !ok),
    JSON.stringify(verdict.terms),
  ).toEqual([]);
  await expectAuditHolds(world);
  return verdict;
}
