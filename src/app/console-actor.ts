// The role console: Bull Board's server under the life of the process.
import type { Actor } from '../../jobs/actor.js';
import type { QueueRegistry } from '../../queues/registry.js';
import { QUEUE_NAMES, QUEUES } from '../../queues/table.js';
import { type BoardQueue, createConsole } from '../console/board.js';
import type { LookParts } from './looks.js';

export function createConsoleActor({ config, connections, log }: LookParts): Actor {
  const server = createConsole({ queues: boardQueues(connections.queues()), log });
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

/** Every queue with its row of the table. */
export function boardQueues(registry: QueueRegistry): readonly BoardQueue[] {
  return QUEUE_NAMES.map((name) => {
    const { purpose, data } = QUEUES[name];
    return { name, purpose, data, queue: registry.queue(name) };
  });
}
