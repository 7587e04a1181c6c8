// Partitions handed from member to member, among them one that is killed and one that is frozen: every record once, in order.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, expect, test } from 'vitest';
import type { OwnedConsumer } from '../../../src/domain/ports.js';
import { compile } from '../../helpers/compiled.js';
import { testKafka, until, valuesOf } from '../../helpers/kafka.js';
import { createCopier } from '../../helpers/kafka-copier.js';
import { testStack } from '../../helpers/stack.js';

const PARTITIONS = 6;
const { kafka, prefix, topic } = testKafka('ownership');

const compiled = compile('test/helpers/kafka-copier-process.ts');
const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  compiled.remove();
});

const readyOf = (...members: OwnedConsumer[]) =>
  members.map((member) => member.status().filter(({ state }) => state === 'ready').length);

test('members share, join, leave, are killed and frozen under load', { timeout: 90_000 }, async () => {
  const topics = {
    prefix,
    input: await topic('in', PARTITIONS),
    output: await topic('out', PARTITIONS),
    state: await topic('state', PARTITIONS, { 'cleanup.policy': 'compact' }),
  };
  const startChild = () => {
    const settings = { brokers: testStack().kafkaBrokers, topics, slowMs: 15 };
    const child = spawn(process.execPath, [compiled.script, JSON.stringify(settings)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.add(child);
    let log = '';
    child.stdout?.on('data', (data) => {
      log += data;
    });
    return { child, owned: () => log.split('\n').filter((line) => line.includes('kafka.partition.owned')).length };
  };

  // Small transactions with markers between, without a pause, until told to stop.
  const producer = await kafka.transactionalProducer(`${prefix}source`);
  const written: string[][] = Array.from({ length: PARTITIONS }, () => []);
  let producing = true;
  let n = 0;
  const load = (async () => {
    while (producing) {
      const batch = Array.from({ length: 40 }, () => ({ partition: n % PARTITIONS, value: `v${n++}` }));
      for (const { partition, value } of batch) written[partition]?.push(value);
      await producer.transact(batch.map((record) => ({ topic: topics.input, key: null, ...record })));
    }
  })();

  const [a, b, c] = [createCopier(kafka, topics, 15), createCopier(kafka, topics, 15), createCopier(kafka, topics, 15)];
  await Promise.all([a.start(), b.start()]);
  await until('two members share', () => readyOf(a, b).join() === '3,3');
  await c.start();
  await until('three members share', () => readyOf(a, b, c).join() === '2,2,2');
  const killed = startChild();
  await until('a process of its own owns some', () => killed.owned() > 0);
  await b.stop();
  expect(b.status()).toEqual([]);
  const frozen = startChild();
  await until('a second process owns some', () => frozen.owned() > 0);
  await until('four members', () => readyOf(a, c).every((ready) => ready > 0));

  killed.child.kill('SIGKILL');
  frozen.child.kill('SIGSTOP');
  await until('the two that are left own all', () => readyOf(a, c).join() === '3,3', 40_000);
  producing = false;
  await load;
  frozen.child.kill('SIGCONT');
  await until('the frozen one has come back as a member', () => readyOf(a, c).join() === '2,2', 40_000);

  const ends = await kafka.admin.endOffsets(topics.input);
  const done = async () => {
    const counts = await Promise.all(written.map((_, partition) => valuesOf(kafka, topics.output, partition)));
    return counts.every((values, partition) => values.length >= (written[partition]?.length ?? 0));
  };
  await until('all is copied', done, 30_000);
  frozen.child.kill('SIGTERM');
  expect((await once(frozen.child, 'exit'))[0]).toBe(0);
  await Promise.all([a.stop(), c.stop()]);

  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    expect(await valuesOf(kafka, topics.output, partition)).toEqual(written[partition]);
    // A hint may be behind when all leave at once; it is never ahead.
    const hint = await kafka.admin.committedOffset(`${prefix}copier`, topics.input, partition);
    expect(hint).toBeGreaterThan(0);
    expect(hint).toBeLessThanOrEqual(ends[partition] ?? 0);
  }
});
