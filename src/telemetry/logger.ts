// The log: pino, one JSON line an event, with stable event names and no patient data but the id.
import { pino } from 'pino';
import type { LogFields, Logger } from '../domain/ports.js';

/** Fields of an error that name its kind. Its message is left out: messages of drivers quote data and connection strings. */
function causeFields(cause: unknown): Record<string, unknown> {
  if (!(cause instanceof Error)) return { error: typeof cause };
  const { code, type, errno } = cause as Error & { code?: unknown; type?: unknown; errno?: unknown };
  const frames = framesOf(cause);
  return {
    error: cause.name,
    errorCode: typeof code === 'string' || typeof code === 'number' ? code : undefined,
    errorType: typeof type === 'string' ? type : undefined,
    errno: typeof errno === 'number' ? errno : undefined,
    stack: frames.slice(0, 12).map((frame) => frame.trim()),
  };
}

/** The lines of the stack below the message, which may itself hold lines that look like frames. */
export function framesOf(cause: Error): string[] {
  const stack = cause.stack ?? '';
  const message = String(cause.message);
  const at = message === '' ? 0 : stack.indexOf(message);
  if (at < 0) return [];
  return stack
    .slice(at + message.length)
    .split('\n')
    .filter((line) => line.startsWith('    at '));
}

/** `level` is one of pino's. `write` receives whole lines (default: standard output). */
export function createLogger(options: { level: string; base?: LogFields; write?: (line: string) => void }): Logger {
  const target = options.write ? { write: options.write } : pino.destination({ dest: 1, sync: true });
  return wrap(
    pino(
      { level: options.level, base: options.base ?? {}, timestamp: pino.stdTimeFunctions.isoTime, messageKey: 'event' },
      target,
    ),
  );
}

function wrap(log: pino.Logger): Logger {
  return {
    debug: (event, fields = {}) => log.debug(fields, event),
    info: (event, fields = {}) => log.info(fields, event),
    warn: (event, fields = {}) => log.warn(fields, event),
    error: (event, fields = {}, cause) =>
      log.error(cause === undefined ? fields : { ...fields, ...causeFields(cause) }, event),
    child: (fields) => wrap(log.child(fields)),
  };
}
