// The role console: its server (Bull Board, the alerts' API) under the life of the process.
import type { Actor } from '../../jobs/actor.js';
import type { QueueRegistry } from '../../queues/registry.js';
import { QUEUE_NAMES, QUEUES } from '../../queues/table.js';
import { type BoardQueue, createConsole } from '../console/board.js';
import { saidTime } from '../domain/said-time.js';
import type { LookParts } from './looks.js';
import { deskOver, hospitalTime } from './wire-desk.js';

export function createConsoleActor({ config, connections, clock, log }: LookParts): Actor {
  const { CONSOLE_HOST: host, HOSPITAL_TIMEZONE: zone } = config.settings;
  const desk = deskOver({ config, clock }, connections, connections.policy().current);
  const server = createConsole({
    queues: boardQueues(connections.queues()),
    alerts: {
      ...{ desk, host, log, time: hospitalTime(config) },
      saidTime: (said) => saidTime(said, zone, clock.nowMs()),
    },
    log,
  });
  let listening = false;
  return {
    role: 'console',
    start: async () => {
      await server.listen(host, config.settings.CONSOLE_PORT);
      listening = true;
    },
    stop: async () => {
      listening = false;
      await server.close();
      await desk.close();
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
