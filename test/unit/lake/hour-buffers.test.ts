// What rows cost whose instants are all over the calendar: each hour is a file of its own, and so a buffer.
import { getHeapStatistics } from 'node:v8';
import { expect, it } from 'vitest';
import { vitalInfoTable } from '../../../src/lake/columns.js';
import { HourBuffers } from '../../../src/lake/hour-buffers.js';
import { reading } from '../../helpers/readings.js';

const HOURS = 2_000;
const HOUR_US = 3_600_000_000;
/** One fetch may bring 8,000 rows, of each partition: at 45 KiB a buffer that was more than a process has. */
const BYTES_AN_HOUR = 12_000;

it('a buffer of one row is small', () => {
  const table = vitalInfoTable(['heartBeat', 'bp']);
  const rows = new HourBuffers();
  const before = getHeapStatistics().external_memory;
  for (let n = 0; n < HOURS; n += 1) {
    const message = { reading: reading(n, 'p1', { heartBeat: 70 }), rowId: BigInt(n), readUs: 0, notBeforeUs: null };
    rows.append(table, { message: { ...message, recordedUs: n * HOUR_US }, partition: 0, offset: n });
  }
  expect(rows.filled()).toHaveLength(HOURS);
  expect(getHeapStatistics().external_memory - before).toBeLessThan(HOURS * BYTES_AN_HOUR);
});
