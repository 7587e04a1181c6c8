// A chain of heartbeats to try the lake's commit protocol on: topic `beats`, partition 3, one row an offset.
import { type Chain, type ChainParts, openChain } from '../../src/lake/chain.js';
import type { LastMessage } from '../../src/lake/commit-record.js';
import { HourBuffers } from '../../src/lake/hour-buffers.js';
import { encodeParquet } from '../../src/lake/parquet-encoder.js';
import { verifyParquet } from '../../src/lake/parquet-verify.js';
import type { LakeTable } from '../../src/lake/table.js';
import { recordingLogger } from './recorders.js';

export interface Beat {
  readonly id: bigint;
  readonly us: number;
}
const TABLE: LakeTable<Beat> = {
  name: 'beat',
  columns: [
    { name: 'id', type: 'int64', required: true, value: (row) => row.id },
    { name: 'at', type: 'timestamp', required: true, value: (row) => row.us },
  ],
  key: 'id',
  time: (row) => row.us,
};
export const NOON = Date.UTC(2026, 10, 24, 12) * 1000;

export function buffered(rows: readonly Beat[]): HourBuffers {
  const buffers = new HourBuffers();
  for (const row of rows) buffers.append(TABLE, row);
  return buffers;
}

export const beats = (...ids: number[]) => buffered(ids.map((id) => ({ id: BigInt(id), us: NOON + id })));

export const lastAt = (offset: number, day = '2026-11-24'): LastMessage => ({
  offset: String(offset),
  timestamp: `${day}T12:00:00.000000Z`,
  hash: 'h',
});

/** As a name has an offset. */
export const KEY = (n: number) => String(n).padStart(20, '0');

let tokens = 0;

export function openBeats(parts: Partial<ChainParts> & Pick<ChainParts, 'store'>): Promise<Chain> {
  return openChain({
    encode: encodeParquet,
    verify: verifyParquet,
    topic: 'beats',
    partition: 3,
    clusterId: 'c1',
    token: `token-${tokens++}`,
    steps: {
      staged: 'archive.staged',
      verified: 'archive.verified',
      beforeRecord: 'archive.before-record',
      afterRecord: 'archive.after-record',
      publishedOne: 'archive.published-one',
      published: 'archive.published',
    },
    onStep: () => undefined,
    log: recordingLogger(),
    ...parts,
  });
}
