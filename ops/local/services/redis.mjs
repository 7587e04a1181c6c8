// A private Redis that never evicts.
// @ts-check
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { childEnvironment } from '../environment.mjs';
import { answers } from './probe.mjs';
import { createService } from './service.mjs';

/**
 * The service is not started yet.
 * @param {object} options
 * @param {{ readonly redis: string }} options.programs redis-server, or Debian's redis-check-rdb, which is the same program
 * @param {string} options.folder exists
 * @param {number} options.port
 * @param {import('../certificates.mjs').Certificates} [options.tls] the port then speaks TLS only
 * @param {string} [options.password]
 * @param {string} [options.maxmemoryPolicy] noeviction, which BullMQ needs, by default
 * @param {boolean} [options.appendonly] true keeps the data over kill -9
 * @param {import('./service.mjs').OnProcess} [options.onProcess]
 */
export async function createRedis({
  programs,
  folder,
  port,
  tls,
  password,
  maxmemoryPolicy = 'noeviction',
  appendonly = false,
  onProcess,
}) {
  const data = join(folder, 'redis');
  await mkdir(data, { recursive: true });
  const auth = password ? `AUTH ${password}\r\n` : '';
  const service = createService({
    what: 'redis',
    folder,
    ...(onProcess ? { onProcess } : {}),
    command: {
      file: programs.redis,
      // The program looks at its own name to decide what it is.
      argv0: 'redis-server',
      env: childEnvironment(process.env),
      args: [
        ...(tls
          ? [
              ...['--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'no'],
              ...['--tls-ca-cert-file', tls.caFile],
              ...['--tls-cert-file', tls.certFile, '--tls-key-file', tls.keyFile],
            ]
          : ['--port', String(port)]),
        ...(password ? ['--requirepass', password] : []),
        ...['--bind', '127.0.0.1', '--dir', data, '--maxmemory-policy', maxmemoryPolicy],
        // Snapshots off: what outlives a stop is said by `appendonly` alone, not by chance.
        ...['--save', '', '--appendonly', appendonly ? 'yes' : 'no', '--appendfsync', 'everysec'],
      ],
    },
    ready: () =>
      answers({ port, request: `${auth}PING\r\n`, ...(tls ? { ca: tls.ca } : {}) }, (answer) =>
        answer.toString('latin1').includes('+PONG'),
      ),
  });
  const scheme = tls ? 'rediss' : 'redis';
  return { ...service, port, url: `${scheme}://${password ? `:${password}@` : ''}127.0.0.1:${port}` };
}
