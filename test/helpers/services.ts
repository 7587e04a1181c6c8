// Private services for tests that stop, kill or pause one, or need one with TLS, passwords or other settings.
// Same code as the stack's (ops/local/services). Each starts in about 1 s (Kafka 4 s) and must be closed by the test:
//
//   const redis = await startRedis({ appendonly: true });
//   afterAll(() => redis.close());
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Certificates, makeCertificates } from '../../ops/local/certificates.mjs';
import { createStackHdfs } from '../../ops/local/hdfs-stack.mjs';
import { kafkaLibs, lookAround } from '../../ops/local/machine.mjs';
import { freePort } from '../../ops/local/ports.mjs';
import type { HdfsPorts } from '../../ops/local/services/hdfs.mjs';
import { createKafka } from '../../ops/local/services/kafka.mjs';
import { createMariadb } from '../../ops/local/services/mariadb.mjs';
import { createRedis } from '../../ops/local/services/redis.mjs';
import type { OnProcess, Service } from '../../ops/local/services/service.mjs';
import { FOLDER_PREFIX, openState, removeFolder } from '../../ops/local/state.mjs';

/** A service of one test. Port and data stay the same over stop, kill and start. */
export interface PrivateService {
  readonly port: number;
  /** Again, after stop or kill; resolves when it answers. Throws, with its log's tail, when it doesn't within 60 s. */
  start(): Promise<void>;
  /** SIGTERM; resolves when it is gone. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void;
  /** SIGCONT. */
  cont(): void;
  /** Ends it for good and removes its folder. */
  close(): Promise<void>;
}

/** A name and password that a private service demands. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

export interface PrivateKafka extends PrivateService {
  /** host:port */
  readonly brokers: string;
  /** PEM of the authority; empty without TLS. */
  readonly ca: string;
}

export interface PrivateUrl extends PrivateService {
  readonly url: string;
  /** PEM of the authority; empty without TLS. */
  readonly ca: string;
}

/**
 * A Kafka 4.1 broker. `tls`: the port speaks TLS only. `sasl`: it demands SCRAM-SHA-512 with this login (SASL_SSL with
 * `tls`, else SASL_PLAINTEXT). `second`: a port beside it that tells its clients to come back to `advertised`, where a proxy listens.
 */
export async function startKafka(
  options: {
    readonly tls?: boolean;
    readonly sasl?: Login;
    readonly second?: { readonly port: number; readonly advertised: number };
  } = {},
): Promise<PrivateKafka> {
  return startPrivate('kafka', options.tls, async ({ folder, onProcess, tls }) =>
    createKafka({
      programs: { java: program('java'), kafkaLibs: kafkaLibs().folder },
      folder,
      port: await freePort(),
      controllerPort: await freePort(),
      heapMb: 256,
      shortLived: true,
      onProcess,
      ...tls,
      ...(options.sasl ? { sasl: options.sasl } : {}),
      ...(options.second ? { second: options.second } : {}),
    }),
  );
}

/**
 * A Redis without snapshots. `tls`: the port speaks TLS only (url is rediss://). `password`: it demands one (in the url).
 * `maxmemoryPolicy`: noeviction by default. `appendonly`: keeps its data over kill and start; otherwise it starts empty.
 */
export async function startRedis(
  options: {
    readonly tls?: boolean;
    readonly password?: string;
    readonly maxmemoryPolicy?: string;
    readonly appendonly?: boolean;
  } = {},
): Promise<PrivateUrl> {
  return startPrivate('redis', options.tls, async ({ folder, onProcess, tls }) =>
    createRedis({
      programs: { redis: program('redis') },
      folder,
      port: await freePort(),
      onProcess,
      ...tls,
      ...(options.password ? { password: options.password } : {}),
      ...(options.maxmemoryPolicy ? { maxmemoryPolicy: options.maxmemoryPolicy } : {}),
      ...(options.appendonly ? { appendonly: true } : {}),
    }),
  );
}

/** A MariaDB, root without a password over TCP, UTC. `tls`: it refuses connections without (require_secure_transport). */
export async function startMysql(options: { readonly tls?: boolean } = {}): Promise<PrivateUrl> {
  return startPrivate('mysql', options.tls, async ({ folder, onProcess, tls }) =>
    createMariadb({
      programs: { mariadbd: program('mariadbd'), installDb: program('installDb') },
      folder,
      port: await freePort(),
      onProcess,
      ...tls,
    }),
  );
}

export interface PrivateHdfs extends Omit<PrivateService, 'port'> {
  /** hdfs://127.0.0.1:port, as Hadoop's own clients, Hive and Spark name it; `/` is writable for all. */
  readonly url: string;
  /** WebHDFS of the NameNode. */
  readonly httpUrl: string;
  readonly ports: HdfsPorts;
  /** As `hdfs dfsadmin`, for instance ['-safemode', 'enter']. */
  administer(words: readonly string[]): Promise<void>;
  readonly nameNode: Service;
  readonly dataNode: Service;
}

/**
 * An HDFS of one NameNode and one DataNode, ready to be written to. Only in the peers tier, whose runner fetches Hadoop.
 * `dataHost`: where WebHDFS sends its clients for their bytes, 127.0.0.1 by default; another loopback address is for a proxy
 * that listens there on the port `ports.dataHttp`.
 */
export async function startHdfs(options: { readonly dataHost?: string } = {}): Promise<PrivateHdfs> {
  return startPrivate('hdfs', false, async ({ folder, onProcess }) =>
    createStackHdfs({ folder, onProcess, ...options }),
  );
}

let found: Readonly<Record<string, string>> | undefined;

function program(key: string): string {
  found ??= lookAround().found;
  const path = found[key];
  if (!path) throw new Error(`${key} is not on this machine, or too old: private services of tests run natively`);
  return path;
}

interface Place {
  readonly folder: string;
  readonly onProcess: OnProcess;
  readonly tls: { readonly tls?: Certificates };
}

/** Makes and starts one in a folder of its own, known to the next run: should this one be killed, that one cleans up. */
async function startPrivate<S extends Service>(
  what: string,
  withTls: boolean | undefined,
  create: (place: Place) => Promise<S>,
): Promise<S & { readonly ca: string; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), `${FOLDER_PREFIX}test-${what}-`));
  const state = openState(`test-${folder.slice(-6)}`);
  state.update({ folder });
  let service: S | undefined;
  const close = async () => {
    await service?.kill();
    removeFolder(folder);
    state.remove();
  };
  try {
    const tls = withTls ? { tls: await makeCertificates(folder) } : {};
    service = await create({ folder, onProcess: state.addProcess, tls });
    await service.start();
    return { ...service, ca: tls.tls?.ca ?? '', close };
  } catch (error) {
    await close();
    throw error;
  }
}
