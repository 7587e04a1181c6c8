// A private Kafka: one process, broker and controller at once (KRaft).
// @ts-check
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { childEnvironment } from '../environment.mjs';
import { answers } from './probe.mjs';
import { createService } from './service.mjs';

const STARTED = 'Kafka Server started';
const LOG_CONFIG = fileURLToPath(new URL('../kafka/log4j2.properties', import.meta.url));
/** For a small heap and a quick start, not for throughput after a minute. */
const SHORT_LIVED_FLAGS = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'];
const SERVER_FLAGS = ['-XX:+UseG1GC', '-Xms128m'];
/** Or each JVM leaves a folder in /tmp. */
const NO_PERF_DATA = '-XX:-UsePerfData';
/** 22 hex digits: as long as Kafka's own ids, and never beginning with a dash, which its command line takes for an option. */
const CLUSTER_ID_BYTES = 11;

/**
 * Formats the log folder; the service is not started yet.
 * @param {object} options
 * @param {{ readonly java: string, readonly kafkaLibs: string }} options.programs
 * @param {string} options.folder exists
 * @param {number} options.port for clients
 * @param {number} options.controllerPort for itself
 * @param {number} [options.heapMb]
 * @param {boolean} [options.shortLived] starts with half the work, and is slow under load: for tests
 * @param {import('../certificates.mjs').Certificates} [options.tls] the client port then speaks TLS only
 * @param {{ readonly username: string, readonly password: string }} [options.sasl] the client port then demands SCRAM-SHA-512
 * @param {{ readonly port: number, readonly advertised: number }} [options.second] another client port, which tells its clients to come back to
 *   a third: that of a proxy before it
 * @param {import('./service.mjs').OnProcess} [options.onProcess]
 */
export async function createKafka({
  programs,
  folder,
  port,
  controllerPort,
  heapMb = 512,
  shortLived = false,
  tls,
  sasl,
  second,
  onProcess,
}) {
  const env = childEnvironment(process.env);
  const config = join(folder, 'kafka.properties');
  const keystore = join(folder, 'kafka-keystore.pem');
  if (tls) {
    await writeFile(keystore, `${await readFile(tls.keyFile, 'utf8')}${await readFile(tls.certFile, 'utf8')}`, {
      mode: 0o600,
    });
  }
  await writeFile(config, properties({ folder, port, controllerPort, keystore, tls, sasl, second }));
  const classPath = join(programs.kafkaLibs, '*');
  await promisify(execFile)(
    programs.java,
    [
      ...SHORT_LIVED_FLAGS,
      NO_PERF_DATA,
      ...['-cp', classPath, `-Dlog4j2.configurationFile=${LOG_CONFIG}`, 'kafka.tools.StorageTool', 'format'],
      ...['-t', randomBytes(CLUSTER_ID_BYTES).toString('hex'), '-c', config],
      ...(sasl ? ['--add-scram', `SCRAM-SHA-512=[name=${sasl.username},password=${sasl.password}]`] : []),
    ],
    { env },
  );
  const service = createService({
    what: 'kafka',
    folder,
    ...(onProcess ? { onProcess } : {}),
    command: {
      file: programs.java,
      env,
      args: [
        ...[
          ...(shortLived ? SHORT_LIVED_FLAGS : SERVER_FLAGS),
          NO_PERF_DATA,
          `-Xmx${heapMb}m`,
          `-Dlog4j2.configurationFile=${LOG_CONFIG}`,
        ],
        ...['-cp', classPath, 'kafka.Kafka', config],
      ],
    },
    ready: startedSince(port),
  });
  return { ...service, port, brokers: `127.0.0.1:${port}` };
}

/**
 * Ready means: one line more in the log that says so than at the start before, and the port is open.
 * @param {number} port
 */
function startedSince(port) {
  let seen = 0;
  /** @param {string} logFile */
  return async (logFile) => {
    const starts = (await readFile(logFile, 'utf8')).split(STARTED).length - 1;
    if (starts <= seen || !(await answers({ port }, () => true))) return false;
    seen = starts;
    return true;
  };
}

/**
 * @param {{ folder: string, port: number, controllerPort: number, keystore: string,
 *   tls: import('../certificates.mjs').Certificates | undefined, sasl: object | undefined,
 *   second: { readonly port: number, readonly advertised: number } | undefined }} options
 */
function properties({ folder, port, controllerPort, keystore, tls, sasl, second }) {
  const protocol = `${sasl ? 'SASL_' : ''}${tls ? 'SSL' : 'PLAINTEXT'}`;
  const lines = [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    `listeners=CLIENT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}${second ? `,SECOND://127.0.0.1:${second.port}` : ''}`,
    `advertised.listeners=CLIENT://127.0.0.1:${port}${second ? `,SECOND://127.0.0.1:${second.advertised}` : ''}`,
    'controller.listener.names=CONTROLLER',
    `listener.security.protocol.map=CONTROLLER:PLAINTEXT,CLIENT:${protocol},SECOND:PLAINTEXT`,
    'inter.broker.listener.name=CLIENT',
    `log.dirs=${join(folder, 'kafka')}`,
    'num.network.threads=2',
    'num.io.threads=4',
    'auto.create.topics.enable=false',
    'default.replication.factor=1',
    'offsets.topic.replication.factor=1',
    'offsets.topic.num.partitions=4',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'transaction.state.log.num.partitions=4',
    'share.coordinator.state.topic.replication.factor=1',
    'share.coordinator.state.topic.min.isr=1',
    // One that was killed and started again may register once its dead self's session is over: 9 s by default.
    'broker.session.timeout.ms=3000',
    'broker.heartbeat.interval.ms=500',
    // Production waits 3 s for more members; a test and a demo need not.
    'group.initial.rebalance.delay.ms=0',
    // What a killed producer left open ends soon after its time-out, not up to 10 s later.
    'transaction.abort.timed.out.transaction.cleanup.interval.ms=1000',
  ];
  if (tls) {
    lines.push('ssl.keystore.type=PEM', `ssl.keystore.location=${keystore}`);
    lines.push('ssl.truststore.type=PEM', `ssl.truststore.location=${tls.caFile}`);
  }
  if (sasl) {
    const module = 'org.apache.kafka.common.security.scram.ScramLoginModule';
    const login = /** @type {{ username: string, password: string }} */ (sasl);
    lines.push('sasl.enabled.mechanisms=SCRAM-SHA-512', 'sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512');
    lines.push(
      `listener.name.client.scram-sha-512.sasl.jaas.config=${module} required username="${login.username}" password="${login.password}";`,
    );
  }
  return `${lines.join('\n')}\n`;
}
