// Runs the ledger's scripts by their hash, loading them where the server does not have them.
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { LedgerLostError } from '../domain/ledger.js';
import { ALARM_SCRIPTS } from './alarm-scripts.js';
import { EPOCH_SCRIPTS } from './epoch-scripts.js';
import { LIMITER_SCRIPTS } from './limiter-scripts.js';
import { ROW_SCRIPTS } from './row-scripts.js';
import { type ScriptRow, SERVER_TIME } from './script-guard.js';
import { VIEW_SCRIPTS } from './view-scripts.js';

const LEDGER_SCRIPTS = { ...EPOCH_SCRIPTS, ...VIEW_SCRIPTS, ...ROW_SCRIPTS, ...LIMITER_SCRIPTS, ...ALARM_SCRIPTS };
export type ScriptName = keyof typeof LEDGER_SCRIPTS;

export type ScriptAnswer = string | number | null | readonly ScriptAnswer[];

/** Calls begun together travel together: the connection pipelines. Throws LedgerLostError where the script says so. */
export type RunScript = (
  name: ScriptName,
  keys: readonly string[],
  args: readonly (string | number)[],
) => Promise<ScriptAnswer>;

/** `time`: what scripts ask instead of Redis's clock. */
export function createScriptRunner(redis: Redis, time = SERVER_TIME): RunScript {
  const scripts = new Map(
    Object.entries(LEDGER_SCRIPTS).map(([name, row]) => {
      const lua = row.lua.replace(SERVER_TIME, time);
      return [name, { lua, hash: createHash('sha1').update(lua).digest('hex') }];
    }),
  );
  return async (name, keys, args) => {
    const row: ScriptRow = LEDGER_SCRIPTS[name];
    const { lua, hash } = scripts.get(name) ?? { lua: '', hash: '' };
    if (row.keys !== 'any' && keys.length !== row.keys) throw new Error(`script ${name} takes ${row.keys} keys`);
    try {
      return (await redis.evalsha(hash, keys.length, ...keys, ...args)) as ScriptAnswer;
    } catch (error) {
      if (!isReply(error, 'NOSCRIPT')) throw meaning(error);
    }
    try {
      return (await redis.eval(lua, keys.length, ...keys, ...args)) as ScriptAnswer;
    } catch (error) {
      throw meaning(error);
    }
  };
}

/** ioredis hangs the command with its arguments on the error: an event has no business in whatever holds the error. */
function meaning(error: unknown): unknown {
  if (isReply(error, 'LEDGERLOST')) return new LedgerLostError('the ledger has to be rebuilt');
  if (error instanceof Error) delete (error as Error & { command?: unknown }).command;
  return error;
}

function isReply(error: unknown, code: string): boolean {
  return error instanceof Error && error.message.startsWith(code);
}
