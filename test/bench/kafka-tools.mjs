// The ceiling: Kafka's own producer and consumer perf tools on the same broker. Native stacks only.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { kafkaLibs, lookAround } from '../../ops/local/machine.mjs';

const RECORD_BYTES = 250;

/** Records per second, or null where the tools aren't here. */
export async function kafkaCeiling({ stack, kafka, name }, rows) {
  const java = lookAround().found.java;
  if (stack.kind !== 'native' || !java) return null;
  const topic = `${name}.ceiling`;
  await kafka.admin.createTopics([{ topic, numPartitions: 6, replicationFactor: 1 }]);
  const run = (tool, args) => {
    const { stdout, stderr, status } = spawnSync(
      java,
      ['-Xmx512m', '-cp', join(kafkaLibs().folder, '*'), tool, ...args],
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`${tool} ended with ${status}: ${stderr.slice(-500)}`);
    return stdout;
  };
  const produced = run('org.apache.kafka.tools.ProducerPerformance', [
    '--topic',
    topic,
    '--num-records',
    String(rows),
    '--record-size',
    String(RECORD_BYTES),
    '--throughput',
    '-1',
    '--producer-props',
    `bootstrap.servers=${stack.kafkaBrokers}`,
    'acks=all',
  ]);
  const consumed = run('org.apache.kafka.tools.ConsumerPerformance', [
    '--bootstrap-server',
    stack.kafkaBrokers,
    '--topic',
    topic,
    '--messages',
    String(rows),
  ]);
  return {
    producePerSecond: Math.round(Number(/([\d.]+) records\/sec/.exec(produced.split('\n').filter(Boolean).at(-1))[1])),
    consumePerSecond: Math.round(Number(consumed.trim().split('\n').at(-1).split(',')[5])),
  };
}
