// Real watchers frozen in the middle of readings, past every time-out, and woken beside their successor: each event once.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/telemetry/clock.js';
import { createDeployment, type Deployment, type WorkerProcess, withKafka } from '../helpers/deployment.js';
import { until, valuesOf } from '../helpers/kafka.js';
import { testStack } from '../helpers/stack.js';
import { outOfOrder, told, wardScript } from '../helpers/ward-script.js';
import { isEpisodeEvent } from '../helpers/watch-world.js';

const CLEAR = { seconds: 5, samples: 2 };
const ROUNDS = 4;
/** Above the session time-out of the group (6 s) and the transaction time-out (10 s). */
const FROZEN_MS = 11_000;

const ward = wardScript(40);
let deployment: Deployment;
beforeAll(async () => {
  deployment = await createDeployment('zombie', { policy: 'clearAfter: 5s\nclearSamples: 2\n' });
  await deployment.sql('INSERT INTO patients_information (patientid, age) VALUES ?', [
    ward.patients.map((id) => [id, 30]),
  ]);
  await deployment.sql(`INSERT INTO Threshold_Reference_table VALUES ('heartBeat', 0, 40, 0, 69, 1, 'low'),
    ('heartBeat', 0, 40, 70, 78, 0, 'normal'), ('heartBeat', 0, 40, 79, 9999, 1, 'high')`);
  for (const table of ['patients', 'thresholds']) expect((await deployment.run(['import', table])).code).toBe(0);
});
afterAll(() => deployment?.close());

const joins = ({ events }: WorkerProcess) => events.filter(({ event }) => event === 'kafka.group.joined').length;
const letGo = ({ events }: WorkerProcess) => events.filter(({ event }) => event === 'watch.released').length;
const holds = (watcher: WorkerProcess) =>
  watcher.events.filter(({ event }) => event === 'watch.owned').length - letGo(watcher);

it('frozen and woken, by turns', async () => {
  const prefix = deployment.env.KAFKA_PREFIX as string;
  await withKafka(testStack(), async (kafka) => {
    const producer = await kafka.transactionalProducer(`${prefix}test-poll`);
    const watchers = [deployment.worker('watch'), deployment.worker('watch')] as const;
    await until('both have joined', () => watchers.every((watcher) => joins(watcher) > 0), 60_000);
    const feeding = new AbortController();
    const feed = (async () => {
      while (!feeding.signal.aborted) {
        const rows = ward.nextSecond().map((reading) => ({
          topic: `${prefix}vital-info`,
          key: reading.patientId,
          value: JSON.stringify(reading),
        }));
        await producer.transact(rows);
        await systemClock.sleep(100);
      }
    })();
    const ends = () => kafka.admin.endOffsets(`${prefix}vital-info`);
    const taken = (partition: number) =>
      kafka.admin.committedOffset(`${prefix}watch`, `${prefix}vital-info`, partition);
    const passed = async (marks: readonly number[]) => {
      for (const [partition, end] of marks.entries()) if (((await taken(partition)) ?? 0) < end) return false;
      return true;
    };
    for (let round = 0; round < ROUNDS; round++) {
      const zombie = watchers[round % 2] as WorkerProcess;
      const partitions = (await ends()).length;
      // One that is frozen while it takes a partition has nothing to lose.
      await until(
        'each partition has an owner, both watchers some',
        () =>
          watchers.every((watcher) => holds(watcher) > 0) &&
          watchers.reduce((sum, watcher) => sum + holds(watcher), 0) === partitions,
        60_000,
      );
      const before = { joins: joins(zombie), letGo: letGo(zombie) };
      zombie.signal('SIGSTOP');
      const frozenAtMs = systemClock.monotonicMs();
      const marks = await ends();
      await until('the other has taken over', () => passed(marks), 60_000);
      await systemClock.sleep(frozenAtMs + FROZEN_MS - systemClock.monotonicMs());
      zombie.signal('SIGCONT');
      await until(
        'it has found out and is back',
        () => joins(zombie) > before.joins && letGo(zombie) > before.letGo,
        60_000,
      );
    }
    feeding.abort();
    await feed;
    const marks = await ends();
    await until('all is handled', () => passed(marks), 60_000);
    for (const watcher of watchers) watcher.signal('SIGTERM');
    expect(await Promise.all(watchers.map((watcher) => watcher.exited))).toEqual([0, 0]);
    await producer.close();

    const texts = await Promise.all(marks.map((_, partition) => valuesOf(kafka, `${prefix}doctors-queue`, partition)));
    const got = texts.flat().map((text) => JSON.parse(text) as Record<string, unknown>);
    const events = got.filter(isEpisodeEvent);
    expect(told(events)).toEqual(ward.expected(CLEAR));
    expect(new Set(events.map((event) => event.eventId)).size).toBe(events.length);
    expect(outOfOrder(events)).toEqual([]);
  });
});
