// The poller over a table and a Kafka in memory: what a crash, a doubt, another owner or another server does to its rows.
import { describe, expect, it } from 'vitest';
import { startLedger } from '../../../src/domain/gap-ledger.js';
import { encodePosition } from '../../../src/domain/position.js';
import { FencedError, KafkaOutcomeUnknownError } from '../../../src/kafka/errors.js';
import { MysqlError } from '../../../src/mysql/pool.js';
import { SourceRefused } from '../../../src/mysql/refusal.js';
import { DAY, world } from '../../helpers/memory-source.js';

describe('poll source', () => {
  it('emits rows that come late, and retires ids whose transactions are gone', async () => {
    const w = world();
    const poller = w.poller();
    w.add(1, 5);
    w.state.transactions = ['70', '71'];
    await poller.look();
    expect(w.position()).toMatchObject({ high: '5', startId: '1', gaps: [{ from: '2', to: '4' }] });
    w.state.ms += 2_500;
    await poller.look();
    w.state.transactions = ['99'];
    w.add(3);
    w.state.ms += 200;
    await poller.look();
    expect(w.retired()).toEqual([]);
    w.state.ms += 200;
    await poller.look();
    expect(w.emitted()).toEqual([1, 5, 3]);
    expect(w.retired()).toMatchObject([
      { v: 1, source: 'ward', from: '2', to: '2', evidence: 'trx', at: '2026-11-24T00:00:02.900000Z' },
      { from: '4', to: '4' },
    ]);
    expect(w.position().gaps).toEqual([]);
    expect(await w.metrics.value('poll_ids_retired_total')).toBe(2);
    expect(await w.metrics.value('poll_late_rows_total')).toBe(1);
  });

  it.each(['commits', 'rolls back'])(
    'never makes a position that no message can hold: two long transactions alternate, one commits, then the other %s',
    async (how) => {
      const w = world();
      const poller = w.poller({ batchRows: 20, gapsAtMost: 15 });
      const between = Array.from({ length: 100 }, (_, n) => n + 2);
      const odd = between.filter((id) => id % 2 === 1);
      w.add(1, 102);
      w.state.transactions = ['70', '71'];
      await poller.look();
      w.add(...between.filter((id) => id % 2 === 0));
      w.state.transactions = ['71'];
      const looks = async (times: number) => {
        const found: string[] = [];
        for (let n = 0; n < times; n += 1) {
          w.state.ms += 500;
          found.push(await poller.look());
          expect(w.position().gaps.length).toBeLessThanOrEqual(15);
        }
        return found;
      };
      const found = await looks(10);
      // As far as there is room, then waiting as at the end of the table; new rows wait too.
      expect(found.at(-1)).toBe('end');
      w.add(103);
      await looks(2);
      expect(w.emitted()).not.toContain(103);
      w.state.transactions = [];
      if (how === 'commits') w.add(...odd);
      await looks(30);
      const emitted = w.emitted();
      expect(new Set(emitted).size).toBe(emitted.length);
      expect(emitted.sort((a, b) => a - b)).toEqual([...w.rows].sort((a, b) => a - b));
      const retired = w
        .retired()
        .flatMap(({ from, to }) => between.filter((id) => id >= Number(from) && id <= Number(to)));
      expect(retired.sort((a, b) => a - b)).toEqual(how === 'commits' ? [] : odd);
      expect(w.position().gaps).toEqual([]);
    },
  );

  it('is late by nothing once the end of the table is reached, however old the last row was', async () => {
    const w = world();
    const poller = w.poller();
    w.add(1);
    w.state.ms = 3_600_000;
    await poller.look();
    expect(await w.metrics.value('poll_lag_seconds')).toBe(3_600);
    await poller.look();
    expect(await w.metrics.value('poll_lag_seconds')).toBe(0);
  });

  it('throws everything away when a commit is in doubt, and repeats or loses nothing whichever way it went', async () => {
    for (const how of ['committed', 'not-committed'] as const) {
      const w = world();
      const poller = w.poller();
      w.add(1, 2, 4);
      await poller.look();
      w.add(3, 5);
      w.kafka.failNext(how);
      await expect(poller.look()).rejects.toThrow(KafkaOutcomeUnknownError);
      await poller.letGo();
      w.add(6);
      await poller.look();
      expect(w.emitted().sort(), how).toEqual([1, 2, 3, 4, 5, 6]);
      expect(w.kafka.open()).toBe(1);
      await poller.letGo();
      expect(w.kafka.open()).toBe(0);
    }
  });

  it('is fenced by the next owner, and at the start of a turn finds out before it reads', async () => {
    const w = world();
    const first = w.poller();
    const second = w.poller();
    w.add(1);
    await first.look();
    await second.look();
    w.add(2);
    await expect(first.look()).rejects.toThrow(FencedError);
    await first.letGo();
    await second.look();
    await first.beginTurn();
    w.add(3);
    await first.look();
    await second.beginTurn();
    w.add(4);
    await second.look();
    expect(w.emitted()).toEqual([1, 2, 3, 4]);
  });

  it('begins where it is told, with the ids that are missing below as gaps', async () => {
    const startOf = async (start: string, ids: number[]) => {
      const w = world();
      w.add(...ids);
      await w.poller({ start }).look();
      expect(w.log.lines.map(({ event }) => event)).toContain('poll.first-start');
      return { emitted: w.emitted(), position: w.position() };
    };
    expect(await startOf('end', [])).toMatchObject({ emitted: [], position: { high: '0', startId: '1', gaps: [] } });
    expect(await startOf('end', [3, 5])).toMatchObject({
      emitted: [],
      position: { high: '5', startId: '6', gaps: [{ from: '1', to: '2' }, { from: '4' }] },
    });
    const far = await startOf('end', [50_000]);
    expect(far.position.gaps).toMatchObject([{ from: '40001', to: '49999' }]);
    expect(await startOf('4', [3, 5])).toMatchObject({ emitted: [5], position: { startId: '4' } });
    expect(await startOf('beginning', [3, 5])).toMatchObject({ emitted: [3, 5], position: { startId: '1' } });
    await expect(startOf('9', [3, 5])).rejects.toMatchObject({ code: 'start' });
  });

  it('refuses another server and a table that went back, and goes on after a restart of the same server', async () => {
    const w = world();
    w.add(1, 2);
    const poller = w.poller();
    await poller.look();
    const reopened = async () => {
      poller.forgetSession();
      w.state.ms += 2_000;
      return poller.look();
    };
    w.state.server = { uuid: 'server-2', startedAt: '2026-11-01T00:00:00.000000Z' };
    await expect(reopened()).rejects.toMatchObject({ name: 'SourceRefused', code: 'other-server' });
    w.state.server = { uuid: 'server-1', startedAt: '2026-11-20T00:00:00.000000Z' };
    w.add(3);
    await reopened();
    expect(w.log.lines.map(({ event }) => event)).toContain('poll.server-restarted');
    expect(w.position().server.startedAt).toBe('2026-11-20T00:00:00.000000Z');
    // Emptied under an open session, then refilled with ids that were used before.
    w.rows.clear();
    w.add(1);
    w.state.ms += 2_000;
    await expect(poller.look()).rejects.toThrow(SourceRefused);
    await expect(reopened()).rejects.toMatchObject({ code: 'went-back' });
    // Grown past what was read, by a server that says that it is the same: starts are whole seconds.
    w.add(2, 3, 4);
    w.state.values.set(3, 99);
    await expect(reopened()).rejects.toMatchObject({ code: 'rows-differ' });
    expect(w.emitted()).toEqual([1, 2, 3]);
  });

  it('keeps its place when the source is cut off', async () => {
    const w = world();
    const poller = w.poller();
    w.add(1, 3);
    await poller.look();
    w.state.broken = true;
    w.add(2, 4);
    await expect(poller.look()).rejects.toThrow(MysqlError);
    poller.forgetSession();
    await expect(poller.look()).rejects.toThrow(MysqlError);
    w.state.broken = false;
    await poller.look();
    expect(w.emitted()).toEqual([1, 3, 2, 4]);
    expect(w.kafka.records('t.vital-poll-state').filter(({ key }) => key === 'token')).toHaveLength(1);
  });

  it('writes ticks each 2 s while it reads to the end, and says since when a row can have been there', async () => {
    const w = world();
    const poller = w.poller({ batchRows: 2 });
    w.add(1, 2, 3);
    expect(await poller.look()).toBe('more');
    expect(w.ticks()).toEqual([]);
    expect(await poller.look()).toBe('end');
    expect(w.ticks().map(({ partition }) => partition)).toEqual([0, 1]);
    for (let n = 0; n < 39; n += 1) {
      w.state.ms += 100;
      await poller.look();
    }
    expect(w.ticks()).toHaveLength(4);
    w.state.ms += 100;
    w.add(4);
    await poller.look();
    expect(w.messages().map(({ row, notBefore }) => [Number(row), notBefore])).toEqual([
      [1, null],
      [2, null],
      [3, null],
      [4, '2026-11-24T00:00:03.900000Z'],
    ]);
  });

  it('reads nothing ahead while the position is too large, and goes on when gaps have closed', async () => {
    const w = world();
    const missing = Array.from({ length: 12_000 }, (_, n) => ({ from: BigInt(2 * n + 1), to: BigInt(2 * n + 1) }));
    const value = encodePosition(
      'ward',
      {
        server: w.state.server,
        ledger: startLedger(30_000n, missing, DAY),
        startId: 1n,
        reachedEndAt: null,
        evidence: 'trx',
      },
      DAY,
    );
    const other = await w.kafka.transactionalProducer('other');
    await other.transact([{ topic: 't.vital-poll-state', key: 'ward', value }]);
    w.add(30_000, 30_001, 1);
    const poller = w.poller({ batchRows: 100 });
    await poller.look();
    expect(w.emitted()).toEqual([1]);
    expect(poller.reasons().join()).toContain('too many open gaps');
    expect(w.ticks()).toEqual([]);
    for (const ms of [2_500, 200, 200]) {
      w.state.ms += ms;
      await poller.look();
    }
    expect(w.emitted()).toEqual([1, 30_001]);
    expect(poller.reasons()).toEqual([]);
    expect(w.retired()).toHaveLength(11_999);
  });

  it('says which transaction an old gap waits for, and for how long it was seen', async () => {
    const w = world();
    const poller = w.poller();
    w.add(1, 4);
    w.state.transactions = ['70'];
    await poller.look();
    w.state.ms += 2_500;
    w.state.transactions = ['70', '71'];
    await poller.look();
    w.state.ms += 200;
    w.state.transactions = ['70', '71', '72'];
    await poller.look();
    w.state.ms += 60_000;
    await poller.look();
    // 72 came when the gap's own were known already.
    expect(w.log.lines.filter(({ event }) => event === 'poll.gap-old').map(({ fields }) => fields)).toMatchObject([
      { from: '2', to: '3', gaps: 1, transactions: ['70', '71'] },
    ]);
    expect(poller.reasons()).toEqual([
      'ids 2 to 3 wait for transaction 70 for 63 s: `wardwatch source status` says whose it is',
    ]);
    expect(await w.metrics.value('poll_gap_transaction_seconds')).toBe(62.7);
    w.state.transactions = [];
    for (const ms of [200, 200]) {
      w.state.ms += ms;
      await poller.look();
    }
    expect(poller.reasons()).toEqual([]);
    expect(await w.metrics.value('poll_gap_transaction_seconds')).toBe(0);
  });

  it('is late by what has passed since the end of the table was reached, while looks fail', async () => {
    const w = world();
    const poller = w.poller();
    w.add(1);
    await poller.look();
    w.state.broken = true;
    w.state.ms += 7_000;
    await expect(poller.look()).rejects.toThrow(MysqlError);
    poller.reportStandstill();
    expect(await w.metrics.value('poll_lag_seconds')).toBe(7);
  });

  it('says why gaps stay open when no list is new, and counts bad values', async () => {
    const w = world();
    const poller = w.poller();
    w.state.stale = true;
    w.add(1, 3, 666);
    for (let n = 0; n < 130; n += 1) {
      await poller.look();
      w.state.ms += 100;
    }
    expect(w.retired()).toEqual([]);
    expect(poller.reasons().join()).toContain('somebody else reads information_schema.innodb_trx');
    expect(w.log.lines.filter(({ event }) => event === 'poll.no-evidence')).toHaveLength(1);
    expect(w.log.lines.find(({ event }) => event === 'poll.bad-value')?.fields).toEqual({
      row: '666',
      patientId: 'p0',
      attributes: ['heartBeat'],
    });
    expect(await w.metrics.value('poll_bad_values_total', { attribute: 'heartBeat' })).toBe(1);
    expect(await w.metrics.value('poll_gaps_open')).toBe(663);
    // Whoever gets nothing steps back.
    expect(w.state.looks).toBeLessThan(50);
  });
});
