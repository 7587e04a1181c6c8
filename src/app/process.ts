// The process round a worker: signals, exit codes, what nobody caught, and PM2's `ready`.
import { ConfigError } from '../config/problems.js';
import type { Clock, Logger } from '../domain/ports.js';
import { explain } from './explain.js';
import type { Worker } from './worker.js';

export const EXIT = { ok: 0, failed: 1, cannotRun: 2 } as const;
/** 128 + the number of the signal, as shells say it. */
const SIGNALS = { SIGTERM: 143, SIGINT: 130 } as const;

export interface ProcessParts {
  readonly worker: Worker;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where a message for a person goes. */
  readonly say: (text: string) => void;
}

/** Runs until a signal or a failure; resolves with the exit code. The second signal ends the process at once. */
export async function runWorkerProcess({ worker, log, say }: ProcessParts): Promise<number> {
  process.on('uncaughtException', (error) => {
    log.error('process.uncaught', {}, error);
    process.exit(EXIT.failed);
  });
  process.on('unhandledRejection', (reason) => {
    log.error('process.unhandled', {}, reason);
    process.exit(EXIT.failed);
  });
  const signalled = new Promise<'signal'>((resolve) => {
    let first = true;
    for (const [name, code] of Object.entries(SIGNALS)) {
      process.on(name, () => {
        if (!first) process.exit(code);
        first = false;
        log.info('process.signal', { signal: name });
        resolve('signal');
      });
    }
  });
  const started = worker.start().then(() => {
    process.send?.('ready');
    return worker.failed;
  });
  const ended = await Promise.race([signalled, started.catch((error: unknown) => ({ error }))]);
  let code: number = EXIT.ok;
  if (typeof ended === 'object') {
    if (ended.error instanceof ConfigError) {
      say(`wardwatch can't start. ${ended.error.message}`);
      for (const { setting, what } of ended.error.problems) log.error('start.refused', { setting, what });
      code = EXIT.cannotRun;
    } else {
      log.error('worker.failed', {}, ended.error);
      say(`wardwatch can't go on. ${explain(ended.error)}`);
      code = EXIT.failed;
    }
  }
  const outcome = await worker.stop();
  return outcome === 'done' ? code : Math.max(code, EXIT.failed);
}
