// A lake for tests without Kafka: messages of an archived topic, and reference tables, written by the code that writes them in production.
import { randomUUID } from 'node:crypto';
import type { ImportTable } from '../../src/domain/import-settings.js';
import { type Entry, entriesOfThresholds, entryOfPatient, versionOf } from '../../src/domain/import-version.js';
import type { Patient } from '../../src/domain/patient.js';
import type { LakeStore } from '../../src/domain/ports.js';
import type { ThresholdRow } from '../../src/domain/threshold.js';
import { archivedTopics } from '../../src/lake/archived-topics.js';
import { openChain } from '../../src/lake/chain.js';
import { HourBuffers } from '../../src/lake/hour-buffers.js';
import { encodeParquet } from '../../src/lake/parquet-encoder.js';
import { verifyParquet } from '../../src/lake/parquet-verify.js';
import { createReferenceLake } from '../../src/lake/reference-tables.js';
import { recordingLogger } from './recorders.js';

export interface ArchivedMessages {
  /** Without a prefix; vital-info by default. */
  readonly topic?: string;
  /** The vital signs that the archive knows. */
  readonly attributes: readonly string[];
  /** Objects, or the bytes of what is none. */
  readonly messages: readonly object[];
  /** The step at which the writer dies. */
  readonly dieAt?: string;
}

const DEAD = { key: Buffer.from('k'), headers: null, timestampMs: Date.UTC(2026, 10, 25) };

/** One commit of partition 0, at the offsets after those that are there. */
export async function archiveMessages(store: LakeStore, { topic: name = 'vital-info', ...given }: ArchivedMessages) {
  const topic = archivedTopics(given.attributes).find((one) => one.topic === name);
  if (!topic) throw new Error(`${name} is not archived`);
  if (given.messages.length === 0) return;
  const chain = await openChain({
    store,
    encode: encodeParquet,
    verify: verifyParquet,
    topic: name,
    partition: 0,
    clusterId: 'c',
    token: `t${randomUUID()}`,
    steps: { staged: 'archive.staged', beforeRecord: 'archive.before-record', afterRecord: 'archive.after-record' },
    onStep: (step) => {
      if (step === given.dieAt) throw new Error('died');
    },
    log: recordingLogger(),
  });
  const rows = new HourBuffers();
  const start = chain.tail()?.next ?? 0;
  for (const [i, message] of given.messages.entries()) {
    const value = Buffer.isBuffer(message) ? message : Buffer.from(JSON.stringify(message));
    const decoded = topic.decode(value);
    const place = { partition: 0, offset: start + i };
    if (decoded.type === 'row') rows.append(topic.table, { message: decoded.message, ...place });
    else if (decoded.type === 'dead')
      rows.append(topic.dead, { message: { ...DEAD, value, reason: decoded.reason }, ...place });
    else throw new Error('a tick is not archived');
  }
  await chain.commit({ start, next: start + given.messages.length, rows, last: null }).catch((error: Error) => {
    if (error.message !== 'died') throw error;
  });
}

/** A version of both reference tables, imported at `importedAt` (microseconds). `gone`: patients that this version lacks. */
export async function importReferenceTables(
  store: LakeStore,
  tables: {
    readonly patients: readonly Patient[];
    readonly limits: readonly ThresholdRow[];
    readonly gone?: readonly Patient[];
    /** Name of the source. */
    readonly source?: string;
  },
  importedAt = 1,
): Promise<void> {
  const lake = createReferenceLake({
    store,
    source: tables.source ?? 'c',
    newToken: randomUUID,
    log: recordingLogger(),
  });
  const commit = async (table: ImportTable, entries: readonly Entry[], gone: readonly Entry[]) =>
    lake.commit(
      table,
      await lake.newest(table),
      { ...versionOf(table, entries), importedAt, source: 'test', position: null },
      entries,
      gone,
      () => undefined,
    );
  await commit('patients', tables.patients.map(entryOfPatient), (tables.gone ?? []).map(entryOfPatient));
  await commit('thresholds', entriesOfThresholds(tables.limits), []);
}
