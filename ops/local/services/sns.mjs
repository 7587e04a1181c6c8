// The SNS emulator as a process of the private stack.
// @ts-check
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '../environment.mjs';
import { readInbox } from '../inbox.mjs';
import { createService } from './service.mjs';

const EMULATOR = fileURLToPath(new URL('../sns-emulator.mjs', import.meta.url));

/**
 * The service is not started yet. It keeps its topics in memory: a restart forgets them.
 * @param {object} options
 * @param {string} options.folder exists
 * @param {number} options.port
 * @param {import('./service.mjs').OnProcess} [options.onProcess]
 */
export function createSns({ folder, port, onProcess }) {
  const url = `http://127.0.0.1:${port}`;
  const service = createService({
    what: 'sns',
    folder,
    ...(onProcess ? { onProcess } : {}),
    command: {
      file: process.execPath,
      args: [EMULATOR, '127.0.0.1', String(port)],
      env: childEnvironment(process.env),
    },
    ready: async () => (await readInbox(url)).count === 0,
  });
  return { ...service, port, url };
}
