// A private MariaDB: its own data folder and port, root over TCP without a password, UTC.
// @ts-check
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { childEnvironment } from '../environment.mjs';
import { answers } from './probe.mjs';
import { createService } from './service.mjs';

/** Protocol version of the server's greeting, the first packet's first byte after the four of its header. */
const GREETING_AT = 4;
const GREETING_VERSION = 10;

/**
 * Makes the data folder; the service is not started yet.
 * @param {object} options
 * @param {{ readonly mariadbd: string, readonly installDb: string }} options.programs
 * @param {string} options.folder exists
 * @param {number} options.port
 * @param {import('../certificates.mjs').Certificates} [options.tls] connections without TLS are then refused
 * @param {import('./service.mjs').OnProcess} [options.onProcess]
 */
export async function createMariadb({ programs, folder, port, tls, onProcess }) {
  const data = join(folder, 'mariadb');
  // As root both programs insist on being told so; `--no-defaults` keeps the machine's own my.cnf out.
  const user = process.getuid?.() === 0 ? ['--user=root'] : [];
  const env = childEnvironment(process.env);
  await mkdir(data, { recursive: true });
  await promisify(execFile)(
    programs.installDb,
    [
      '--no-defaults',
      `--datadir=${data}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      '--skip-name-resolve',
      ...user,
    ],
    { env },
  );
  const service = createService({
    what: 'mariadb',
    folder,
    ...(onProcess ? { onProcess } : {}),
    command: {
      file: programs.mariadbd,
      env,
      args: [
        '--no-defaults',
        ...user,
        `--datadir=${data}`,
        `--port=${port}`,
        '--bind-address=127.0.0.1',
        `--socket=${join(folder, 'mariadb.sock')}`,
        `--pid-file=${join(folder, 'mariadb.pid')}`,
        '--skip-name-resolve',
        '--default-time-zone=+00:00',
        '--character-set-server=utf8mb4',
        '--innodb-buffer-pool-size=256M',
        // Written at each commit, synced each second: outlives a kill of the server, and leaves the disk to Kafka.
        '--innodb-flush-log-at-trx-commit=2',
        '--max-connections=500',
        '--local-infile=0',
        ...(tls
          ? [
              `--ssl-ca=${tls.caFile}`,
              `--ssl-cert=${tls.certFile}`,
              `--ssl-key=${tls.keyFile}`,
              '--require-secure-transport=ON',
            ]
          : []),
      ],
    },
    ready: () => answers({ port }, (greeting) => greeting[GREETING_AT] === GREETING_VERSION),
  });
  return { ...service, port, url: `mysql://root@127.0.0.1:${port}` };
}
