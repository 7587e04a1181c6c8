// The pool against real servers: TLS that is demanded, answers that don't come, and errors that quote nothing.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPool, type MysqlError } from '../../../src/mysql/pool.js';
import { startProxy } from '../../helpers/proxy.js';
import { recordingLogger, recordingMetrics } from '../../helpers/recorders.js';
import { type PrivateUrl, startMysql } from '../../helpers/services.js';
import { testStack } from '../../helpers/stack.js';

let secure: PrivateUrl;
beforeAll(async () => {
  secure = await startMysql({ tls: true });
});
afterAll(() => secure?.close());

async function failure(work: Promise<unknown>): Promise<MysqlError> {
  return work.then(
    () => {
      throw new Error('this should have failed');
    },
    (error: MysqlError) => error,
  );
}

test('TLS: with the right authority only', async () => {
  const log = recordingLogger();
  const pool = createPool({ url: secure.url, tlsCa: secure.ca }, log);
  expect((await pool.query("SHOW SESSION STATUS LIKE 'Ssl_version'"))[0]?.Value).toMatch(/^TLSv1\.[23]$/);
  await pool.close();
  const system = new URL(secure.url);
  system.searchParams.set('ssl', 'true');
  for (const url of [secure.url, system.toString()]) {
    const without = createPool({ url }, log);
    await failure(without.ping());
    await failure(without.connect());
    await without.close();
  }
});

test('values, times and identifiers come and go unharmed; several statements and local files are refused', async () => {
  const pool = createPool({ url: testStack().rdsUrl }, recordingLogger());
  const hostile = "'; DROP TABLE x; -- \\ \n 😀 \u0000";
  const [row] = await pool.query(
    'SELECT ? AS text, 18446744073709551615 AS big, 1.50 AS exact, TIMESTAMP(?) AS time, 7 AS `a``b`, @@time_zone AS zone',
    [hostile, '2026-03-29 02:30:00.123456'],
  );
  expect(row).toMatchObject({
    text: hostile,
    big: '18446744073709551615',
    exact: '1.50',
    time: '2026-03-29 02:30:00.123456',
    'a`b': 7,
    zone: '+00:00',
  });
  expect((await failure(pool.query('SELECT 1; SELECT 2'))).code).toBe('ER_PARSE_ERROR');
  await failure(pool.query("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE mysql.help_topic"));
  await pool.close();
});

test('an answer that does not come ends the wait, and the pool goes on with another connection', async () => {
  const log = recordingLogger();
  const metrics = recordingMetrics();
  const at = new URL(testStack().rdsUrl);
  const proxy = await startProxy(Number(at.port));
  at.port = String(proxy.port);
  const pool = createPool({ url: at.toString() }, log, metrics);
  await pool.ping();
  proxy.stall();
  const late = await failure(pool.query('SELECT 1', [], 200));
  expect(late).toMatchObject({ code: 'PROTOCOL_SEQUENCE_TIMEOUT', answered: false });
  expect(await metrics.value('service_up', { service: 'mysql' })).toBe(0);
  proxy.restore();
  await pool.ping();
  proxy.cut();
  await failure(pool.ping());
  proxy.restore();
  await pool.ping();
  expect(await metrics.value('service_up', { service: 'mysql' })).toBe(1);
  const events = log.lines.map(({ event }) => event);
  expect(events).toEqual(['mysql.unavailable', 'mysql.back', 'mysql.unavailable', 'mysql.back']);
  await pool.close();
  await proxy.close();
});

test('no error and no log line quotes a statement, a value, an account or a password', async () => {
  const log = recordingLogger();
  const at = new URL(testStack().rdsUrl);
  at.username = 'secretuser';
  at.password = 'secretword';
  const refused = createPool({ url: at.toString() }, log);
  const pool = createPool({ url: testStack().rdsUrl }, log);
  const errors = [
    await failure(refused.ping()),
    await failure(refused.connect()),
    await failure(pool.query('SELECT secretcolumn FROM mysql.user WHERE user = ?', ['secretpatient'])),
    await failure(pool.query("SELECT CAST('secretpatient' AS DATE) FROM secrettable")),
  ];
  for (const error of errors) {
    const all = JSON.stringify({ ...error, message: error.message, stack: error.stack, cause: error.cause });
    expect(all).not.toMatch(/secret/);
  }
  expect(JSON.stringify(log.lines)).not.toMatch(/secret/);
  await refused.close();
  await pool.close();
});
