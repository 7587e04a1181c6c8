// A private HDFS: one NameNode and one DataNode, each a process of its own, so that a test can kill or pause either.
// @ts-check
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { childEnvironment } from '../environment.mjs';
import { answers } from './probe.mjs';
import { createService } from './service.mjs';

const LOG_CONFIG = fileURLToPath(new URL('../hadoop/log4j.properties', import.meta.url));
/** For a small heap and a quick start; and Hadoop reflects on java.lang: without the last, every WebHDFS call answers 500. */
const JVM_FLAGS = [
  ...['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto', '-XX:-UsePerfData'],
  ...['--add-opens', 'java.base/java.lang=ALL-UNNAMED'],
];
const HEAP_MB = 256;
const NAME_NODE = 'org.apache.hadoop.hdfs.server.namenode.NameNode';
const DATA_NODE = 'org.apache.hadoop.hdfs.server.datanode.DataNode';
/** Hadoop's servers look for their web pages' folders on the class path; they may be empty. */
const WEB_FOLDERS = ['hdfs', 'datanode'];
const PROBE_TIMEOUT_MS = 2_000;
/** Who may do anything; the owner of `/`. */
export const HDFS_SUPERUSER = 'hdfs';

/**
 * @typedef {object} HdfsPorts
 * @property {number} rpc of the NameNode: hdfs://127.0.0.1:<rpc>, for Hive and Spark
 * @property {number} http of the NameNode: WebHDFS
 * @property {number} data of the DataNode
 * @property {number} dataHttp of the DataNode: WebHDFS's second steps
 * @property {number} dataIpc of the DataNode
 */

/**
 * Formats the NameNode; nothing is started yet. `/` belongs to the user hdfs and anybody may write there, as in /tmp.
 * @param {object} options
 * @param {{ readonly java: string, readonly hadoopLibs: string }} options.programs
 * @param {string} options.folder exists
 * @param {HdfsPorts} options.ports
 * @param {string} [options.dataHost] where WebHDFS sends its clients for their bytes: another loopback address, where a proxy listens on the same port
 * @param {import('./service.mjs').OnProcess} [options.onProcess]
 */
export async function createHdfs({ programs, folder, ports, dataHost = '127.0.0.1', onProcess }) {
  const env = { ...childEnvironment(process.env), HADOOP_USER_NAME: HDFS_SUPERUSER };
  const conf = join(folder, 'hdfs-conf');
  for (const name of WEB_FOLDERS) await mkdir(join(conf, 'webapps', name), { recursive: true });
  await writeFile(join(conf, 'core-site.xml'), xml(coreSite(folder, ports)));
  await writeFile(join(conf, 'hdfs-site.xml'), xml(hdfsSite(folder, ports, dataHost)));
  const classPath = [conf, join(programs.hadoopLibs, '*')].join(':');
  const jvm = (/** @type {string} */ main) => [
    ...[...JVM_FLAGS, `-Xmx${HEAP_MB}m`, `-Dlog4j.configuration=file:${LOG_CONFIG}`],
    ...['-cp', classPath, main],
  ];
  await promisify(execFile)(programs.java, [...jvm(NAME_NODE), '-format', '-nonInteractive', '-force'], { env });

  const common = { folder, ...(onProcess ? { onProcess } : {}) };
  const nameNode = createService({
    ...common,
    what: 'hdfs-namenode',
    command: { file: programs.java, env, args: jvm(NAME_NODE) },
    ready: async () => (await webHdfs(ports, 'GET', '/', 'GETFILESTATUS')).ok,
  });
  const dataNode = createService({
    ...common,
    what: 'hdfs-datanode',
    command: { file: programs.java, env, args: jvm(DATA_NODE) },
    // A file can be written: the NameNode has left its safe mode, and this DataNode takes blocks.
    ready: async () =>
      (await webHdfs(ports, 'PUT', '/', 'SETPERMISSION', { permission: '1777' })).ok &&
      (await webHdfs(ports, 'PUT', '/tmp/ready', 'CREATE', { noredirect: 'true' })).ok &&
      (await writesFile(ports)),
  });
  return {
    what: 'hdfs',
    nameNode,
    dataNode,
    /** Resolves when files can be written. */
    start: async () => {
      await Promise.all([nameNode.start(), dataNode.start()]);
    },
    stop: async () => {
      await Promise.all([nameNode.stop(), dataNode.stop()]);
    },
    kill: async () => {
      await Promise.all([nameNode.kill(), dataNode.kill()]);
    },
    pause: () => {
      nameNode.pause();
      dataNode.pause();
    },
    cont: () => {
      nameNode.cont();
      dataNode.cont();
    },
    /**
     * A folder of HDFS onto this disk, by Hadoop's own client: what any reader of HDFS finds.
     * @param {string} from
     * @param {string} to does not exist yet
     */
    copyToLocal: async (from, to) => {
      const args = [...jvm('org.apache.hadoop.fs.FsShell'), '-copyToLocal', from, to];
      await promisify(execFile)(programs.java, args, { env });
    },
    /**
     * As `hdfs dfsadmin`.
     * @param {readonly string[]} words
     */
    administer: async (words) => {
      await promisify(execFile)(programs.java, [...jvm('org.apache.hadoop.hdfs.tools.DFSAdmin'), ...words], { env });
    },
    ports,
    /** The file system as Hadoop's own clients name it. */
    url: `hdfs://127.0.0.1:${ports.rpc}`,
    httpUrl: `http://127.0.0.1:${ports.http}`,
  };
}

/**
 * @param {HdfsPorts} ports
 * @param {string} method
 * @param {string} path
 * @param {string} op
 * @param {Record<string, string>} [parameters]
 */
async function webHdfs(ports, method, path, op, parameters = {}) {
  const query = new URLSearchParams({ op, 'user.name': HDFS_SUPERUSER, ...parameters });
  const response = await fetch(`http://127.0.0.1:${ports.http}/webhdfs/v1${path}?${query}`, {
    method,
    redirect: 'manual',
    signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
  });
  await response.text();
  return response;
}

/**
 * The second step of a CREATE, straight to the DataNode. By hand: its unasked `100 Continue` is too much for fetch.
 * @param {HdfsPorts} ports
 */
function writesFile({ rpc, dataHttp }) {
  const query = new URLSearchParams({
    ...{ op: 'CREATE', 'user.name': HDFS_SUPERUSER, overwrite: 'true' },
    namenoderpcaddress: `127.0.0.1:${rpc}`,
  });
  const head = `PUT /webhdfs/v1/tmp/ready?${query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\n`;
  return answers({ port: dataHttp, request: `${head}x` }, (answer) =>
    answer.toString('latin1').includes(' 201 Created'),
  );
}

/**
 * @param {string} folder
 * @param {HdfsPorts} ports
 */
function coreSite(folder, ports) {
  return {
    'fs.defaultFS': `hdfs://127.0.0.1:${ports.rpc}`,
    'hadoop.tmp.dir': join(folder, 'hdfs-tmp'),
    // Nobody's groups are asked of the machine, where the users of a test don't exist.
    'hadoop.security.group.mapping': 'org.apache.hadoop.security.NullGroupsMapping',
  };
}

/**
 * @param {string} folder
 * @param {HdfsPorts} ports
 * @param {string} dataHost
 */
function hdfsSite(folder, ports, dataHost) {
  return {
    'dfs.namenode.name.dir': `file://${join(folder, 'hdfs-name')}`,
    'dfs.datanode.data.dir': `file://${join(folder, 'hdfs-data')}`,
    'dfs.namenode.http-address': `127.0.0.1:${ports.http}`,
    'dfs.datanode.address': `127.0.0.1:${ports.data}`,
    'dfs.datanode.http.address': `127.0.0.1:${ports.dataHttp}`,
    'dfs.datanode.ipc.address': `127.0.0.1:${ports.dataIpc}`,
    'dfs.datanode.hostname': dataHost,
    'dfs.namenode.datanode.registration.ip-hostname-check': 'false',
    'dfs.replication': '1',
    // Small pages (1,000 by default), so that long listings are the rule and not the exception.
    'dfs.ls.limit': '100',
    'dfs.namenode.safemode.extension': '0',
    'dfs.heartbeat.interval': '1',
    // A file is closed once the NameNode has heard of its last block: asked again after 400 ms by default, however small the file.
    'dfs.client.block.write.locateFollowingBlock.initial.delay.ms': '10',
    'dfs.permissions.superusergroup': HDFS_SUPERUSER,
    'dfs.namenode.handler.count': '4',
    'dfs.datanode.handler.count': '4',
  };
}

/** @param {Record<string, string>} properties */
function xml(properties) {
  const lines = Object.entries(properties).map(
    ([name, value]) => `  <property><name>${xmlText(name)}</name><value>${xmlText(value)}</value></property>`,
  );
  return `<?xml version="1.0"?>\n<configuration>\n${lines.join('\n')}\n</configuration>\n`;
}

/** @param {string} text */
function xmlText(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
