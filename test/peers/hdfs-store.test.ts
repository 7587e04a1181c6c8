// The lake on a real HDFS, over WebHDFS and through proxies that cut and stall: the same promises as the folder's, and HDFS's own traps.
import { randomBytes } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createWebHdfs, type WebHdfs } from '../../src/lake/webhdfs.js';
import { createWebHdfsStore } from '../../src/lake/webhdfs-store.js';
import { describeLakeStore, intercepted, type Trouble } from '../helpers/lake-store-contract.js';
import { startProxy } from '../helpers/proxy.js';
import { type PrivateHdfs, startHdfs } from '../helpers/services.js';

/** Linux answers on all of 127.0.0.0/8: the DataNode is known under this address, where only its proxy listens. */
const PROXIED = '127.0.0.2';
const LIMITS = { idleMs: 2_000, nameNodeMs: 20_000, dataMs: 60_000 };

let hdfs: PrivateHdfs;
let nameNodeProxy: Awaited<ReturnType<typeof startProxy>>;
let dataNodeProxy: typeof nameNodeProxy;
beforeAll(async () => {
  hdfs = await startHdfs({ dataHost: PROXIED });
  nameNodeProxy = await startProxy(hdfs.ports.http);
  dataNodeProxy = await startProxy(hdfs.ports.dataHttp, hdfs.ports.dataHttp, PROXIED);
});
afterAll(async () => {
  await Promise.all([nameNodeProxy?.close(), dataNodeProxy?.close()]);
  await hdfs?.close();
});

const client = (user = 'ward'): WebHdfs =>
  createWebHdfs({ httpUrl: `http://127.0.0.1:${nameNodeProxy.port}`, user, limits: LIMITS });
const urlOf = (root: string) => `${hdfs.url}${root}`;

/** As the superuser, past the proxies. */
async function administer(path: string, op: string, parameters: Record<string, string>): Promise<void> {
  const query = new URLSearchParams({ op, 'user.name': 'hdfs', ...parameters });
  const answer = await fetch(`${hdfs.httpUrl}/webhdfs/v1${path}?${query}`, { method: 'PUT' });
  if (!answer.ok) throw new Error(`${op}: ${await answer.text()}`);
}

const EVERYTHING = ['read', 'list', 'publish', 'delete'] as const;
const TROUBLES = ['a full disk', 'wrong rights', 'a cut', 'a stall', 'a DataNode that is cut off', 'safe mode'];

describeLakeStore('HDFS', TROUBLES, async () => {
  const root = `/lake-${randomBytes(4).toString('hex')}/a ward's lake`;
  const troubles: Record<string, Omit<Trouble, 'name'>> = {
    'a full disk': {
      codes: ['EDQUOT'],
      fails: [],
      begin: async () => {
        await administer(encodeURI(root), 'SETQUOTA', { namespacequota: '1000000', storagespacequota: '1' });
        return () =>
          administer(encodeURI(root), 'SETQUOTA', { namespacequota: '1000000', storagespacequota: '1000000000000' });
      },
    },
    'wrong rights': {
      codes: ['EACCES'],
      fails: EVERYTHING,
      begin: async () => {
        await administer(encodeURI(root), 'SETPERMISSION', { permission: '000' });
        return () => administer(encodeURI(root), 'SETPERMISSION', { permission: '755' });
      },
    },
    'a cut': {
      codes: ['ECONNRESET'],
      fails: EVERYTHING,
      begin: async () => {
        nameNodeProxy.cut();
        return () => nameNodeProxy.restore();
      },
    },
    'a stall': {
      codes: ['ETIMEDOUT'],
      fails: EVERYTHING,
      begin: async () => {
        nameNodeProxy.stall();
        return () => nameNodeProxy.restore();
      },
    },
    'safe mode': {
      codes: ['EROFS'],
      fails: ['publish', 'delete'],
      begin: async () => {
        await hdfs.administer(['-safemode', 'enter']);
        return () => hdfs.administer(['-safemode', 'leave']);
      },
    },
    'a DataNode that is cut off': {
      codes: ['ECONNRESET', 'EPIPE'],
      fails: ['read'],
      begin: async () => {
        dataNodeProxy.cut();
        return () => dataNodeProxy.restore();
      },
    },
  };
  return {
    open: (intercept) => createWebHdfsStore(urlOf(root), intercepted(client(), intercept)),
    troubles: TROUBLES.map((name) => ({ name, ...(troubles[name] as Omit<Trouble, 'name'>) })),
    tearDown: async () => undefined,
  };
});

const makeStore = (root: string, hidden?: () => string) => createWebHdfsStore(urlOf(root), client(), hidden);

test('a client that is cut off in the middle of a file leaves nothing to see, and its leftover goes after an hour', async () => {
  const root = '/cut-in-the-middle';
  const store = makeStore(root, () => 'half');
  await store.write('_staging/t/whole', Buffer.from('whole'));
  dataNodeProxy.delay(50);
  const upload = store.write('_staging/t/half', Buffer.alloc(32 * 1_048_576, 1)).then(
    () => 'written',
    (error: unknown) => String(error),
  );
  await expect.poll(() => client().status(`${root}/_staging/t/.tmp-half`), { timeout: 20_000 }).toBeDefined();
  dataNodeProxy.cut();
  dataNodeProxy.restore();
  expect(await upload).toMatch(/^HdfsError: CREATE .*: no answer \((ECONNRESET|EPIPE)\)$/);
  // HDFS keeps what had come, or less, under the hidden name.
  expect((await client().status(`${root}/_staging/t/.tmp-half`))?.bytes).toBeLessThan(32 * 1_048_576);
  expect(await store.list('_staging')).toEqual([{ path: '_staging/t/whole', bytes: 5 }]);
  expect(await store.removeLeftovers('_staging', Date.now())).toBe(0);
  expect(await store.removeLeftovers('_staging', Date.now() + 7_200_000)).toBe(1);
  expect(await client().status(`${root}/_staging/t/.tmp-half`)).toBeUndefined();
});

test('a read that is cut off in the middle is an error, never a shorter file', async () => {
  const store = makeStore('/cut-reads');
  await store.write('_staging/t/large', Buffer.alloc(32 * 1_048_576, 7));
  dataNodeProxy.delay(20);
  const reading = store.read('_staging/t/large').then(
    (bytes) => `${bytes?.length} bytes`,
    (error: unknown) => (error as { code?: string }).code,
  );
  await expect.poll(() => dataNodeProxy.connections(), { timeout: 20_000 }).toBeGreaterThan(0);
  dataNodeProxy.cut();
  dataNodeProxy.restore();
  expect(await reading).toBe('ECONNRESET');
  expect((await store.read('_staging/t/large'))?.length).toBe(32 * 1_048_576);
});

test('an answer that is lost on the way leaves what was asked for, and a repetition finds it', async () => {
  const store = makeStore('/lost');
  const losing = async (proxy: typeof nameNodeProxy, op: string, work: () => Promise<unknown>) => {
    const lost = proxy.loseAnswer((chunk) => chunk.includes(`op=${op}`));
    await expect(work()).rejects.toMatchObject({ name: 'HdfsError', code: 'ECONNRESET', exception: undefined });
    await lost;
  };
  await losing(nameNodeProxy, 'RENAME', () => store.createExclusive('_log/a/0/0.json', Buffer.from('first')));
  expect(await store.createExclusive('_log/a/0/0.json', Buffer.from('second'))).toBe(false);
  expect(String(await store.read('_log/a/0/0.json'))).toBe('first');

  await store.write('_staging/t/x', Buffer.from('rows'));
  await losing(nameNodeProxy, 'RENAME', () => store.publish('_staging/t/x', 'gap/dt=2026-01-01/hr=00/x'));
  await store.publish('_staging/t/x', 'gap/dt=2026-01-01/hr=00/x');
  expect(String(await store.read('gap/dt=2026-01-01/hr=00/x'))).toBe('rows');

  // The file is on HDFS, under its hidden name only.
  await losing(dataNodeProxy, 'CREATE', () => store.createExclusive('_log/a/0/1.json', Buffer.from('hidden')));
  expect(await store.list('_log')).toEqual([{ path: '_log/a/0/0.json', bytes: 5 }]);
  expect(await store.createExclusive('_log/a/0/1.json', Buffer.from('second'))).toBe(true);
});

test('HDFS without its only DataNode: names are there, bytes are not, and nothing of a record is seen until it is back', async () => {
  const store = makeStore('/no-data-node');
  await store.createExclusive('_log/a/0/0.json', Buffer.from('first'));
  await hdfs.dataNode.kill();
  await expect(store.createExclusive('_log/a/0/1.json', Buffer.from('x'))).rejects.toMatchObject({ name: 'HdfsError' });
  await expect(store.read('_log/a/0/0.json')).rejects.toMatchObject({ name: 'HdfsError' });
  expect(await store.list('_log')).toEqual([{ path: '_log/a/0/0.json', bytes: 5 }]);
  await hdfs.dataNode.start();
  expect(await store.createExclusive('_log/a/0/1.json', Buffer.from('now'))).toBe(true);
  expect(String(await store.read('_log/a/0/0.json'))).toBe('first');
});

test('HDFS is killed and started: calls fail meanwhile, everything that had resolved is there afterwards', async () => {
  const store = makeStore('/restarted');
  expect(await store.createExclusive('_log/a/0/0.json', Buffer.from('first'))).toBe(true);
  await hdfs.kill();
  await expect(store.createExclusive('_log/a/0/1.json', Buffer.from('lost'))).rejects.toMatchObject({
    name: 'HdfsError',
    exception: undefined,
  });
  await hdfs.start();
  expect(await store.createExclusive('_log/a/0/0.json', Buffer.from('second'))).toBe(false);
  expect(String(await store.read('_log/a/0/0.json'))).toBe('first');
  expect(await store.createExclusive('_log/a/0/1.json', Buffer.from('now'))).toBe(true);
});

test('a web server that is no NameNode, and a NameNode that sends elsewhere, are named and never believed', async () => {
  const answers = (status: number, headers: Record<string, string>, body: string) =>
    startServer((_, response) => response.writeHead(status, headers).end(body));
  const page = await answers(200, { 'content-type': 'text/html' }, '<html>');
  await expect(storeAt(page).list('_log')).rejects.toThrow(/no JSON: is HDFS_HTTP_URL a NameNode's\?/);
  const elsewhere = await answers(307, { location: 'file:///etc/passwd' }, '');
  await expect(storeAt(elsewhere).read('_log/x')).rejects.toThrow(/names no DataNode that speaks http/);
  const proxy = await answers(502, {}, 'Bad Gateway');
  await expect(storeAt(proxy).createExclusive('_log/x', Buffer.from('x'))).rejects.toMatchObject({
    message: expect.stringContaining('HTTP 502'),
    code: 'EIO',
  });
});

async function startServer(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const storeAt = (httpUrl: string) =>
  createWebHdfsStore('hdfs://127.0.0.1:1/lake', createWebHdfs({ httpUrl, user: 'ward' }));
