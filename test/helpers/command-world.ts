// A source, pollers, an archive and a lake of one test, with requests made to the poller as people make them, and readers that know nothing of its code.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { createArchiveActor } from '../../jobs/archive.js';
import { createPollActor } from '../../jobs/poll.js';
import type { CommandParts } from '../../jobs/source-command.js';
import { createQueueRegistry, type QueueRegistry } from '../../queues/registry.js';
import type { JobData } from '../../queues/table.js';
import type { LakeStore, OnStep } from '../../src/domain/ports.js';
import { diskFileOps } from '../../src/lake/file-ops.js';
import { createFolderStore } from '../../src/lake/folder-store.js';
import { encodeParquet } from '../../src/lake/parquet-encoder.js';
import { verifyParquet } from '../../src/lake/parquet-verify.js';
import { lakeQuery } from '../../src/lake/query.js';
import { connectRedis, redisReady } from '../../src/redis/connections.js';
import { systemClock } from '../../src/telemetry/clock.js';
import { allValuesOf, until } from './kafka.js';
import { commandParts, type PollWorld, pollWorlds } from './poll-world.js';
import { testStack, uniqueName } from './stack.js';

const FLUSH_MS = 150;

export interface CommandWorld {
  readonly world: PollWorld;
  readonly store: LakeStore;
  /** Starts one more process with the role poll. */
  poller(onStep?: OnStep, commands?: Partial<CommandParts>): Promise<void>;
  archive(): Promise<void>;
  ask(request: Asked): Promise<Record<string, unknown>>;
  insert(from: number, to: number): Promise<void>;
  /** Every reading on vital-info, as `<source>:<row>` and its mark, sorted. */
  readings(): Promise<string[]>;
  /** The same from the lake. */
  lake(): Promise<string[]>;
}

type Request = JobData<'source-command'>;
type Asked = { [K in Request['kind']]: Omit<Extract<Request, { kind: K }>, 'v' | 'source' | 'by'> }[Request['kind']];

/** Called at the top of a file: what it makes goes after the file's tests. `start`: POLL_START. */
export function commandWorlds(file: string): (name: string, start: string) => Promise<CommandWorld> {
  const pollWorld = pollWorlds(file);
  const ends: (() => Promise<unknown>)[] = [];
  afterAll(async () => {
    for (const end of ends.reverse()) await end();
  });
  return async (name, start) => commandWorld(await pollWorld(name), start, ends);
}

async function commandWorld(world: PollWorld, start: string, ends: (() => Promise<unknown>)[]): Promise<CommandWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'wardwatch-commands-'));
  const store = createFolderStore(join(folder, 'lake'), diskFileOps);
  await world.kafka.admin.ensureTopics(world.prefix, { partitions: 3, replication: 1 });
  const command = connectRedis({ url: testStack().redisUrl }, 'command', world.log);
  await redisReady(command);
  const prefix = `{${uniqueName('commands')}}`;
  const registry: QueueRegistry = createQueueRegistry(command, prefix);
  ends.push(async () => {
    await registry.close();
    for (const key of await command.keys(`${prefix.replaceAll(/[{}]/g, '?')}:*`)) await command.del(key);
    command.disconnect();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    world,
    store,
    poller: async (onStep = () => {}, commands = {}) => {
      const blocking = connectRedis({ url: testStack().redisUrl }, 'blocking', world.log);
      await redisReady(blocking);
      const actor = createPollActor({
        ...world.parts({ start, batchRows: 20, parts: { onStep } }),
        registry,
        connection: blocking,
        queuePrefix: prefix,
        intervalMs: 10,
        turnMs: 500,
        commands: { ...commandParts(world, store), ...commands },
      });
      ends.push(async () => {
        await actor.stop();
        blocking.disconnect();
      });
      await actor.start();
    },
    archive: async () => {
      const actor = createArchiveActor({
        kafka: world.kafka,
        clusterId: () => world.kafka.admin.clusterId(),
        prefix: world.prefix,
        store,
        encode: encodeParquet,
        verify: verifyParquet,
        attributes: ['heartBeat', 'bp'],
        flushAfterMs: FLUSH_MS,
        flushRows: 40,
        flushBytes: 1 << 20,
        clock: systemClock,
        log: world.log,
        metrics: world.metrics,
        onStep: () => undefined,
        newToken: randomUUID,
      });
      ends.push(() => actor.stop());
      await actor.start();
    },
    ask: async (request) => {
      const id = `${request.kind}-${randomUUID()}`;
      await registry.add('source-command', id, { v: 1, source: 'ward', by: 'tester', ...request });
      let answer: Record<string, unknown> | undefined;
      await until(
        `an answer to ${request.kind}`,
        async () => {
          const state = await registry.queue('source-command').getJobState(id);
          const job = await registry.queue('source-command').getJob(id);
          if (state === 'failed') throw new Error(`failed: ${job?.failedReason}`);
          answer = (job?.returnvalue ?? undefined) as Record<string, unknown> | undefined;
          return answer !== undefined;
        },
        60_000,
      );
      return answer as Record<string, unknown>;
    },
    insert: async (from, to) => {
      const ids = Array.from({ length: to - from + 1 }, (_, n) => from + n);
      await world.sql('INSERT INTO patients_vital_info (id, customerId, recorded_at, heartBeat) VALUES ?', [
        ids.map((id) => [id, `p${id % 7}`, new Date(), 72]),
      ]);
    },
    readings: async () =>
      (await readingsOf(world))
        .filter(({ v, row }) => v === 1 && row !== undefined)
        .map(({ source, row, mark }) => `${source}:${row} ${mark ?? 'live'}`)
        .sort(),
    lake: async () =>
      (
        await lakeQuery(store, "SELECT source || ':' || row_id || ' ' || coalesce(mark, 'live') AS one FROM vital_info")
      ).rows
        .map(({ one }) => String(one))
        .sort(),
  };
}

/** Messages on vital-info that are JSON. */
async function readingsOf(world: PollWorld): Promise<Record<string, unknown>[]> {
  const values: string[] = [];
  for (let partition = 0; partition < 3; partition += 1)
    values.push(...(await allValuesOf(world.kafka, `${world.prefix}vital-info`, partition)));
  return values.flatMap((value) => {
    try {
      return [JSON.parse(value) as Record<string, unknown>];
    } catch {
      return [];
    }
  });
}

/** As `readings` and `lake` say them. */
export const named = (from: number, to: number, mark = 'live', source = 'ward') =>
  Array.from({ length: to - from + 1 }, (_, n) => `${source}:${from + n} ${mark}`);
