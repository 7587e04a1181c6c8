// What every command that does something begins with: settings, clock, log, metrics.
import { type LoadOptions, loadConfig, processEnvironment } from '../config/load.js';
import { systemClock } from '../telemetry/clock.js';
import { createLogger } from '../telemetry/logger.js';
import { createMetrics } from '../telemetry/metrics.js';
import type { Base } from './connections.js';
import { noStep } from './steps.js';

export interface BaseOptions extends Omit<LoadOptions, 'env' | 'readFile'> {
  readonly envFile?: string | undefined;
  /** For commands: their output is the answer, so the log says only what is wrong, on standard error. */
  readonly quiet?: boolean;
  /** For the doctor, which says everything itself. */
  readonly silent?: boolean;
}

/** Throws ConfigError with every problem. */
export function createBase({ envFile, quiet: logQuietly, silent, ...needs }: BaseOptions): Base {
  const quiet = logQuietly || silent;
  const config = loadConfig({ ...needs, env: processEnvironment(envFile) });
  const log = createLogger({
    level: silent ? 'silent' : quiet ? 'error' : config.settings.LOG_LEVEL,
    base: { pid: process.pid },
    ...(quiet ? { write: (line: string) => void process.stderr.write(line) } : {}),
  });
  return { config, clock: systemClock, log, metrics: createMetrics({ process: !quiet }), onStep: noStep };
}
