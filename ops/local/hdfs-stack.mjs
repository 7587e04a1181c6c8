// The HDFS of a stack: native Java whatever the rest runs on, and only for who asks for it.
// @ts-check
import { hadoopLibs, lookForHdfs } from './machine.mjs';
import { freePort } from './ports.mjs';
import { createHdfs } from './services/hdfs.mjs';

/**
 * Made and not started yet; run bootstrap({ hdfs: true }) before.
 * @param {object} options
 * @param {string} options.folder
 * @param {import('./services/service.mjs').OnProcess} options.onProcess
 * @param {string} [options.dataHost] see createHdfs
 */
export async function createStackHdfs(options) {
  const { java } = lookForHdfs().found;
  if (!java || !hadoopLibs().ready) throw new Error('Hadoop is not here: run bootstrap({ hdfs: true }) first');
  return createHdfs({
    ...options,
    programs: { java, hadoopLibs: hadoopLibs().folder },
    ports: {
      rpc: await freePort(),
      http: await freePort(),
      data: await freePort(),
      dataHttp: await freePort(),
      dataIpc: await freePort(),
    },
  });
}
