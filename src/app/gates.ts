// Before a role begins, each service that it needs is looked at: unreachable is waited for, unsafe or incomplete stops the start.
import { ConfigError, type Problem } from '../config/problems.js';
import type { Clock, Logger, Metrics } from '../domain/ports.js';

export const SERVICES = ['mysql', 'kafka', 'redis', 'lake'] as const;
export type ServiceName = (typeof SERVICES)[number];

const RETRY_FIRST_MS = 250;
const RETRY_MOST_MS = 5_000;

export interface GateParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
}

export interface Gate {
  readonly service: ServiceName;
  /** The first look: open, waiting, or the problems that stop the start. */
  readonly first: Promise<'open' | 'waiting' | readonly Problem[]>;
  /** Resolves once a look found everything right; rejects with ConfigError where a later look found problems. Never settles after the signal. */
  readonly opened: Promise<void>;
  /** Undefined once open. For people: what is waited for. */
  waiting(): string | undefined;
}

/**
 * Looks at once and, while the service can't be reached, again with a growing delay.
 * `look` resolves with what is unsafe or missing (none: open) and throws while the service is away.
 */
export function openGate(service: ServiceName, look: () => Promise<readonly Problem[]>, parts: GateParts): Gate {
  const { clock, log, metrics, signal } = parts;
  let waiting: string | undefined = `${service} is being looked at`;
  let tellFirst: (first: 'open' | 'waiting' | readonly Problem[]) => void;
  const first = new Promise<'open' | 'waiting' | readonly Problem[]>((resolve) => {
    tellFirst = resolve;
  });

  const run = async (): Promise<void> => {
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        const problems = await look();
        metrics.gauge('service_up', 1, { service });
        tellFirst(problems.length > 0 ? problems : 'open');
        if (problems.length > 0) throw new ConfigError(problems);
        waiting = undefined;
        log.info('service.ready', { service, attempt });
        return;
      } catch (error) {
        if (error instanceof ConfigError) throw error;
        waiting = `${service} can't be reached (${codeOf(error)}); it is tried again`;
        metrics.gauge('service_up', 0, { service });
        log.warn('service.waiting', { service, attempt, errorCode: codeOf(error) });
        tellFirst('waiting');
        await clock.sleep(Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt, 10)), signal);
      }
    }
    await new Promise(() => {});
  };
  const opened = run();
  // Whoever waits sees the rejection; nobody waiting must not end the process by another way than the start's.
  opened.catch(() => undefined);
  return { service, first, opened, waiting: () => waiting };
}

/** The driver's symbol, never its words: those quote addresses and accounts. */
function codeOf(error: unknown): string {
  const { code, type, name } = error as { code?: unknown; type?: unknown; name?: unknown };
  for (const word of [code, type, name]) if (typeof word === 'string' && word !== '' && word !== 'Error') return word;
  return 'unknown';
}
