// What the fault tests with a ward have in common: the tables they begin with, and that everything adds up in the end.
import { expect } from 'vitest';
import { expectAuditHolds } from './audit.js';
import { MAIN, startWorker } from './deployment.js';
import type { setUpFaultWorld } from './fault-world.mjs';

type FaultWorld = Awaited<ReturnType<typeof setUpFaultWorld>>;

/** Patients and limits, by the program. */
export async function importTables({ env }: Pick<FaultWorld, 'env'>): Promise<void> {
  for (const table of ['patients', 'thresholds']) {
    const run = startWorker(['import', table], env, MAIN);
    expect(await run.exited, run.output.join('\n')).toBe(0);
  }
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
