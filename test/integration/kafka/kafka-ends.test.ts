// Where a partition ends right after a commit: below its newest rows now and then (3 of 150), until the producer's next transaction.
import { expect, test } from 'vitest';
import { testKafka } from '../../helpers/kafka.js';

const { kafka, prefix, topic } = testKafka('ends');
const ROUNDS = 150;
const PARTITIONS = 3;

test('after an empty transaction of the same producer every row that was committed lies below the ends', async () => {
  const rows = await topic('rows', PARTITIONS);
  const state = await topic('state');
  const producer = await kafka.transactionalProducer(`${prefix}poll`);
  const sent: number[] = [];
  const isBelow = async () => {
    const ends = await kafka.admin.endOffsets(rows);
    return ends.some((end, partition) => end < (sent[partition] ?? 0));
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    await producer.transact(
      Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: rows, partition, key: 'p', value: `${round}` })),
    );
    // One row and one marker a round: the row of this round lies at 2 × round.
    for (let partition = 0; partition < PARTITIONS; partition += 1) sent[partition] = 2 * round + 1;
    await producer.transact([{ topic: state, partition: 0, key: 'ward', value: `${round}` }]);
    expect(await isBelow(), `round ${round}`).toBe(false);
  }
  await producer.close();
});
