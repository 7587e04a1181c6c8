// The role console: Bull Board's server under the life of the process.
import type { Actor } from '../../jobs/actor.js';
import { createConsole } from '../console/board.js';
import type { LookParts } from './looks.js';

export function createConsoleActor({ config, connections, log }: LookParts): Actor {
  const server = createConsole({ queue: connections.queues().queue, log });
  let listening = false;
  return {
    role: 'console',
    start: async () => {
      await server.listen(config.settings.CONSOLE_HOST, config.settings.CONSOLE_PORT);
      listening = true;
    },
    stop: async () => {
      listening = false;
      await server.close();
    },
    health: () => ({ ready: listening, live: true, reasons: listening ? [] : ['the console does not listen'] }),
  };
}
