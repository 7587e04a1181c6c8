// A producer that is fenced at any moment of its transactions knows it: it must never own anew, for that would fence its successor.
import { expect, test } from 'vitest';
import type { TransactionalProducer } from '../../src/domain/ports.js';
import { testKafka } from '../helpers/kafka.js';

const { kafka, prefix, topic } = testKafka('fencing');

/** Of 250 fencings about four meet the coordinator while it is ending the victim's transaction. */
const FENCINGS = 250;
const MOMENT_AT_MOST_MS = 30;

/** One transaction after the other, until one fails. */
async function failureOf(producer: TransactionalProducer, name: string, records: number): Promise<string> {
  const rows = Array.from({ length: records }, (_, i) => ({ topic: name, key: `patient-${i}`, value: 'x' }));
  try {
    for (;;) await producer.transact(rows);
  } catch (error) {
    return (error as Error).name;
  }
}

test('whatever the broker answers, the victim is told that it was fenced, and its successor never fails', async () => {
  const name = await topic('rows', 6);
  const failures: string[] = [];
  for (let i = 0; i < FENCINGS; i += 1) {
    const id = `${prefix}poll.${i % 20}`;
    const victim = await kafka.transactionalProducer(id);
    await victim.transact([{ topic: name, key: 'first', value: 'x' }]);
    const failure = failureOf(victim, name, 1 + (i % 3) * 700);
    const successor = await kafka.transactionalProducer(id);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * MOMENT_AT_MOST_MS));
    await successor.transact([{ topic: name, partition: 0, key: 'token', value: String(i) }]);
    failures.push(await failure);
    await Promise.all([victim.close(), successor.close()]);
  }
  expect(failures.filter((failure) => failure !== 'FencedError')).toEqual([]);
});
