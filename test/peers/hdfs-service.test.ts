// The private HDFS of this tier: one that was killed comes back with its files, and answers when start() has resolved.
import { expect, onTestFinished, test } from 'vitest';
import { type PrivateHdfs, startHdfs } from '../helpers/services.js';

test('a private HDFS takes files, and keeps them over a kill of both its servers', async () => {
  const hdfs = await startHdfs();
  onTestFinished(() => hdfs.close());
  // The starter's own probe has written a file through the DataNode.
  expect(await namesIn(hdfs, '/tmp')).toEqual(['ready']);
  expect((await ask(hdfs, 'PUT', '/lake/a', 'MKDIRS')).status).toBe(200);
  await hdfs.kill();
  await expect(ask(hdfs, 'GET', '/lake', 'LISTSTATUS')).rejects.toThrow();
  await hdfs.start();
  expect(await namesIn(hdfs, '/lake')).toEqual(['a']);
  // Safe mode and permissions are HDFS's own: another user can't write where only its owner may.
  expect((await ask(hdfs, 'PUT', '/lake/b', 'MKDIRS', 'somebody')).status).toBe(403);
});

function ask(hdfs: PrivateHdfs, method: string, path: string, op: string, user = 'ward') {
  return fetch(`${hdfs.httpUrl}/webhdfs/v1${path}?op=${op}&user.name=${user}`, { method });
}

async function namesIn(hdfs: PrivateHdfs, path: string): Promise<readonly string[]> {
  const answer = (await (await ask(hdfs, 'GET', path, 'LISTSTATUS')).json()) as {
    FileStatuses: { FileStatus: { pathSuffix: string }[] };
  };
  return answer.FileStatuses.FileStatus.map(({ pathSuffix }) => pathSuffix);
}
