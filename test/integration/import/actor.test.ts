// The import actor on real Redis, MariaDB and lake: first start, ticks of two replicas, overlap, a lost Redis, a source that is away.
import type { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Actor } from '../../../jobs/actor.js';
import { createImportActor, type ImportActorParts } from '../../../jobs/import.js';
import { createQueueRegistry, type QueueRegistry } from '../../../queues/registry.js';
import type { TickSource } from '../../../queues/schedules.js';
import type { TableSource } from '../../../src/domain/import-source.js';
import { MysqlError } from '../../../src/mysql/pool.js';
import { connectRedis } from '../../../src/redis/connections.js';
import { type ImportBench, importBench } from '../../helpers/import-bench.js';
import { testStack } from '../../helpers/stack.js';

const MINUTE = 60_000;
const INSERT = 'INSERT INTO patients_information VALUES ?';
const person = (id: string) => [id, 'N', null, null, '4B', '50', null];
const until = (check: () => unknown) => vi.waitFor(check, { timeout: 20_000, interval: 20 });

let bench: ImportBench;
let registry: QueueRegistry;
let connections: Redis[];
let actors: Actor[];
let ticking: { cron: string; onTick: (tickMs: number) => void }[];

const ticks: TickSource = {
  every: (cron, onTick) => {
    const row = { cron, onTick };
    ticking.push(row);
    return { stop: () => void ticking.splice(ticking.indexOf(row), 1) };
  },
};

beforeEach(async () => {
  bench = await importBench('actor');
  connections = [];
  actors = [];
  ticking = [];
  registry = createQueueRegistry(bench.redis, bench.prefix);
});
afterEach(async () => {
  await Promise.all(actors.map((actor) => actor.stop()));
  await registry.close();
  for (const connection of connections) connection.disconnect();
  await bench.close();
});

async function start(over: Partial<ImportActorParts> = {}): Promise<Actor> {
  const connection = connectRedis({ url: testStack().redisUrl }, 'blocking', bench.log);
  connections.push(connection);
  const actor = createImportActor({
    ...bench.parts(),
    connection,
    registry,
    prefix: bench.prefix,
    crons: {},
    drainMs: 5_000,
    ticks,
    ...over,
  });
  actors.push(actor);
  await actor.start();
  return actor;
}
const runs = (outcome: string, table = 'patients') => bench.metrics.value('import_runs_total', { table, outcome });
const inForce = async (table: 'patients' | 'thresholds') => (await bench.store.current(table))?.rows;
const events = (event: string) => bench.log.lines.filter((line) => line.event === event);

it('imports both tables at once at the first start, without waiting for a tick, and again when Redis is empty', async () => {
  await bench.sql(INSERT, [[person('a')]]);
  const actor = await start({ lookMs: 100 });
  await until(async () => expect([await inForce('patients'), await inForce('thresholds')]).toEqual([1, 3]));
  expect(events('import.no-version-in-force')[0]?.fields).toMatchObject({ atStart: true });
  expect(actor.health()).toEqual({ ready: true, live: true, reasons: [] });
  expect(await runs('changed')).toBe(1);

  await until(() => expect(bench.log.lines.filter((l) => l.event === 'import.done').length).toBeGreaterThanOrEqual(2));
  await bench.flush();
  await until(async () => expect([await inForce('patients'), await inForce('thresholds')]).toEqual([1, 3]));
  // The lake had it all: nothing new was written there.
  expect(await runs('changed')).toBe(1);
  expect(await runs('unchanged')).toBe(1);
});

it('runs one import for the ticks of two replicas, makes up a missed tick, and forgets none', async () => {
  await bench.sql(INSERT, [[person('a')]]);
  const crons = { 'import-patients': '0 3 * * *' };
  await start({ crons });
  await start({ crons });
  // The first start's import covers the tick that was missed this morning.
  await until(async () => expect(await inForce('patients')).toBe(1));
  await until(async () => expect((await registry.counts('import-table')).active).toBe(0));

  await bench.sql(INSERT, [[person('b')]]);
  const tickMs = Date.now() + 1;
  for (const { onTick } of ticking) onTick(tickMs);
  await until(async () => expect(await inForce('patients')).toBe(2));
  const job = await registry.queue('import-table').getJob(`import-patients-${tickMs}`);
  await until(async () => expect(await job?.getState()).toBe('completed'));
  expect(JSON.stringify(job?.data)).toBe(JSON.stringify({ v: 1, table: 'patients', tickMs }));
  expect(await runs('changed')).toBe(2);

  // Nobody lived at the next tick: whoever starts afterwards makes it up, once.
  await Promise.all(actors.splice(0).map((actor) => actor.stop()));
  expect(ticking).toEqual([]);
  await bench.sql(INSERT, [[person('c')]]);
  const later = { ...bench.parts().clock, nowMs: () => Date.now() + 24 * 60 * MINUTE };
  await Promise.all([start({ crons, clock: later }), start({ crons, clock: later })]);
  await until(async () => expect(await inForce('patients')).toBe(3));
  expect(await runs('changed')).toBe(3);
});

it('skips a tick that comes while an import runs, and counts it', async () => {
  await bench.sql(INSERT, [[person('a')]]);
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const parts = bench.parts({ onStep: (step) => (step === 'import.snapshot' ? held : undefined) });
  await start(parts);
  await start(parts);
  await until(async () => expect(await bench.redis.exists(`${bench.prefix}:lookup:patients:lock`)).toBe(1));
  const tickMs = Date.now() + 1;
  await registry.add('import-table', `import-patients-${tickMs}`, { v: 1, table: 'patients', tickMs });
  const skipped = () => bench.metrics.value('import_skipped_ticks_total', { table: 'patients' });
  // Both replicas may be busy with the two tables: then it is skipped when one of them comes to it.
  const check = until(async () => expect(await skipped()).toBe(1));
  setTimeout(release, 300);
  await check;
  await until(async () => expect((await registry.counts('import-table')).active).toBe(0));
  expect(await runs('changed')).toBe(1);
});

it('tries again for as long as the source is away, says so, and leaves one job rather than many', async () => {
  await bench.sql(INSERT, [[person('a')]]);
  const real = bench.parts().source;
  let away = true;
  const source: TableSource = {
    ...real,
    patients: async () => {
      if (away) throw new MysqlError(Object.assign(new Error('secret host'), { code: 'ECONNREFUSED', fatal: true }));
      return real.patients();
    },
  };
  const actor = await start({ source });
  await until(async () => expect(await runs('failed')).toBeGreaterThanOrEqual(2));
  expect(actor.health().reasons.join()).toMatch(/patients: RDS: ECONNREFUSED/);
  // An older tick waits for the newer one that is being tried again.
  await registry.add('import-table', 'import-patients-1', { v: 1, table: 'patients', tickMs: 1 });
  const old = await registry.queue('import-table').getJob('import-patients-1');
  await until(async () => expect(await old?.getState()).toBe('completed'));
  expect(await inForce('patients')).toBeUndefined();
  away = false;
  await until(async () => expect(await inForce('patients')).toBe(1));
  await until(() => expect(actor.health().reasons).toEqual([]));
  expect(JSON.stringify(bench.log.lines.map((line) => line.fields))).not.toContain('secret host');
});
