// The topic table on a real broker: made, compared, never changed.
import { expect, test } from 'vitest';
import { topicName } from '../../../src/kafka/topics.js';
import { testKafka } from '../../helpers/kafka.js';

const { kafka, prefix, topic, log } = testKafka('topics');
const { admin } = kafka;

test('missing topics are named with the command, then made as the table says, then found right', async () => {
  const layout = { partitions: 3, replication: 1 };
  const before = await admin.checkTopics(prefix, layout);
  expect(before.missing).toHaveLength(7);
  expect(before.problems[0]).toEqual({
    fatal: true,
    message: `topic ${prefix}vital-info is missing: make it with \`wardwatch schema\``,
  });
  // One is there already, made by someone else: too few partitions, kept for too short, deleted where it has to be compacted.
  await topic('watch-state', 2, { 'cleanup.policy': 'delete', 'segment.bytes': '1048576' });
  await topic('access-audit', 1, { 'max.message.bytes': '1000', 'retention.ms': '60000' });
  const made = await admin.ensureTopics(prefix, layout);
  expect(made.created.toSorted()).toEqual(
    ['vital-info', 'vital-poll-state', 'vital-gaps', 'doctors-queue', 'alert-deliveries']
      .map((name) => prefix + name)
      .toSorted(),
  );
  expect(made.missing).toEqual([]);
  const differences = made.differences.map(({ topic: name, setting, found, wanted, fatal }) =>
    [name.slice(prefix.length), setting, found, wanted, fatal].join(' '),
  );
  expect(differences.toSorted()).toEqual([
    'access-audit max.message.bytes 1000 1048576 true',
    `access-audit retention.ms 60000 ${400 * 86_400_000} false`,
    'watch-state cleanup.policy delete compact true',
    'watch-state min.cleanable.dirty.ratio 0.5 0.1 false',
    'watch-state partitions 2 3 true',
    'watch-state segment.bytes 1048576 67108864 false',
  ]);
  expect(made.problems.find(({ message }) => message.includes('partitions'))?.message).toContain('KAFKA_PARTITIONS');
  const again = await admin.ensureTopics(prefix, layout);
  expect({ created: again.created, differences: again.differences }).toEqual({
    created: [],
    differences: made.differences,
  });

  expect(await admin.partitionCount(topicName(prefix, 'doctors-queue'))).toBe(3);
  expect(await admin.partitionCount(`${prefix}none`)).toBeUndefined();
  expect(await admin.committedOffset(`${prefix}nobody`, topicName(prefix, 'doctors-queue'), 0)).toBeUndefined();
  expect(await admin.endOffsets(topicName(prefix, 'doctors-queue'))).toEqual([0, 0, 0]);
  expect(await admin.clusterId()).toMatch(/^.{8,}$/);
  // That a topic is missing is an answer, not a warning; that the leader of a topic made just now is not ready may be one.
  const said = log.lines.filter(({ level }) => level === 'warn' || level === 'error').map(({ fields }) => fields.error);
  expect(said.filter((error) => !/leader/.test(String(error)))).toEqual([]);
});
