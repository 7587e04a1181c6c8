// A table, its server and a Kafka in memory, and pollers over them: for unit tests of what the poller does with its rows.
import { createPollSource, type PollSourceParts } from '../../jobs/poll-source.js';
import { EVERY_ID } from '../../src/domain/id-steps.js';
import type { OutRecord } from '../../src/domain/ports.js';
import { formatMicros, microsOfMs } from '../../src/domain/time.js';
import { MysqlError } from '../../src/mysql/pool.js';
import type { EvidenceLook, VitalsSession, VitalsSource } from '../../src/mysql/vitals-source.js';
import { memoryKafka } from './memory-kafka.js';
import { recordingLogger, recordingMetrics } from './recorders.js';

export const DAY = Date.UTC(2026, 10, 24);

/** A table with ids, a list of transactions, and a server that can be exchanged or cut off. */
export function world() {
  const rows = new Set<number>();
  const server = { uuid: 'server-1', startedAt: '2026-11-01T00:00:00.000000Z' };
  const state = {
    ms: 0,
    transactions: [] as string[],
    stale: false,
    broken: false,
    server,
    looks: 0,
    /** What a row says, where it isn't 72. */
    values: new Map<number, number>(),
    /** Unmapped columns, of every row. */
    other: {} as Record<string, unknown>,
  };
  const clock = {
    nowMs: () => DAY + state.ms,
    monotonicMs: () => state.ms,
    sleep: async (ms: number) => {
      state.ms += ms;
    },
  };
  const sorted = (where: (id: number) => boolean) => [...rows].filter(where).sort((a, b) => a - b);
  const readings = (ids: number[], notBefore: string | null) =>
    ids.map((id) => ({
      row: String(id),
      patientId: `p${id % 3}`,
      value: JSON.stringify({
        v: 1,
        source: 'ward',
        row: String(id),
        patientId: `p${id % 3}`,
        recordedAt: '2026-11-24T00:00:00.000000Z',
        timeSource: 'row',
        readAt: formatMicros(microsOfMs(DAY + state.ms)),
        notBefore,
        values: { heartBeat: state.values.get(id) ?? 72 },
        other: state.other,
      }),
      recordedAt: '2026-11-24T00:00:00.000000Z',
      bad: id === 666 ? ['heartBeat'] : [],
      cut: false,
    }));
  const answer = <T>(value: T): Promise<T> => {
    if (state.broken) return Promise.reject(new MysqlError({ code: 'ECONNRESET' }));
    return Promise.resolve(value);
  };
  const session: VitalsSession = {
    steps: EVERY_ID,
    get server() {
      return state.server;
    },
    bounds: () => {
      const all = sorted(() => true);
      const low = all[0];
      return answer(low === undefined ? undefined : { from: BigInt(low), to: BigInt(all.at(-1) as number) });
    },
    ids: ({ from, to }) => answer(sorted((id) => id >= from && id <= to).map(String)),
    page: (after, limit, notBefore) => {
      const ids = sorted((id) => id > after).slice(0, limit);
      return answer({ readings: readings(ids, notBefore), full: ids.length >= limit });
    },
    gapRows: (gaps, limit, notBefore) => {
      const ids = sorted((id) => gaps.some(({ from, to }) => id >= from && id <= to)).slice(0, limit);
      const full = ids.length >= limit;
      return answer({
        readings: readings(ids, notBefore),
        full,
        examinedTo: full ? BigInt(ids.at(-1) as number) : null,
      });
    },
    look: () => {
      state.looks += 1;
      const look: EvidenceLook = state.stale
        ? { kind: 'trx-none', result: 'stale' }
        : { kind: 'trx', transactions: state.transactions };
      return answer(look);
    },
    close: () => {},
  };
  const vitals: VitalsSource = { evidence: 'trx', open: () => answer(session) };
  const kafka = memoryKafka();
  const log = recordingLogger();
  const metrics = recordingMetrics();
  let token = 0;
  const parts = (more: Partial<PollSourceParts> = {}): PollSourceParts => ({
    source: 'ward',
    vitals,
    kafka,
    prefix: 't.',
    start: 'beginning',
    batchRows: 10,
    clock,
    log,
    metrics,
    onStep: () => {},
    newToken: () => `token-${++token}`,
    ...more,
  });
  const rowsOf = (records: readonly OutRecord[]) =>
    records.map(({ value }) => JSON.parse(value as string)).filter(({ kind }) => kind !== 'tick');
  return {
    rows,
    state,
    clock,
    kafka,
    log,
    metrics,
    parts,
    poller: (more?: Partial<PollSourceParts>) => createPollSource(parts(more)),
    add: (...ids: number[]) => ids.forEach((id) => void rows.add(id)),
    emitted: () => rowsOf(kafka.records('t.vital-info')).map(({ row }) => Number(row)),
    messages: () => rowsOf(kafka.records('t.vital-info')) as { row: string; notBefore: string | null }[],
    ticks: () => kafka.records('t.vital-info').filter(({ key }) => key === null),
    retired: () => kafka.records('t.vital-gaps').map(({ value }) => JSON.parse(value as string)),
    position: () =>
      JSON.parse(kafka.records('t.vital-poll-state').findLast(({ key }) => key === 'ward')?.value ?? 'null'),
  };
}
