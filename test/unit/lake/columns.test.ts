// What a row of vital_info says beside its values.
import { expect, it } from 'vitest';
import { type Placed, type ReadingRow, vitalInfoTable } from '../../../src/lake/columns.js';
import { reading } from '../../helpers/readings.js';

const S = 1_000_000;

it('flags clocks that can’t be right, as watch does', () => {
  const clock = vitalInfoTable(['heartBeat']).columns.find(({ name }) => name === 'clock');
  const flagOf = (recordedUs: number, readUs: number, notBeforeUs: number | null) => {
    const row: Placed<ReadingRow> = {
      message: { reading: reading(1, 'p', {}), rowId: 1n, recordedUs, readUs, notBeforeUs },
      partition: 0,
      offset: 0,
    };
    return clock?.value(row);
  };
  expect(flagOf(100 * S, 100 * S, 99 * S)).toBeNull();
  expect(flagOf(106 * S, 100 * S, 99 * S)).toBe('ahead');
  expect(flagOf(10 * S, 100 * S, 99 * S)).toBe('behind');
  expect(flagOf(10 * S, 100 * S, null)).toBeNull();
});
