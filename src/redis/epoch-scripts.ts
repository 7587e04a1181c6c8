// Scripts of the epoch: which Redis the ledger was built in, and who rebuilds it.
import { GUARD, type ScriptRow } from './script-guard.js';

/** Names the server process. */
const RUN_ID = `
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
`;

export const EPOCH_SCRIPTS = {
  /** KEYS epoch, lock → {epoch, run id, lock held} */
  epoch: {
    keys: 2,
    lua: `${RUN_ID} return {redis.call('GET', KEYS[1]) or '', run, redis.call('EXISTS', KEYS[2])}`,
  },
  /** KEYS epoch, lock; ARGV token, lock ms → the epoch while rebuilding, or false */
  beginRebuild: {
    keys: 2,
    lua: `${RUN_ID}
if not redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return false end
local epoch = run .. ':' .. ARGV[1] .. ':rebuilding'
redis.call('SET', KEYS[1], epoch)
return epoch`,
  },
  /** KEYS epoch, lock; ARGV epoch while rebuilding, token, lock ms */
  renewRebuild: {
    keys: 2,
    lua: `${GUARD}
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return redis.error_reply('LEDGERLOST not the epoch of the caller') end
return redis.call('PEXPIRE', KEYS[2], ARGV[3])`,
  },
  /** KEYS epoch, lock; ARGV epoch while rebuilding, epoch when ready */
  finishRebuild: { keys: 2, lua: `${GUARD} redis.call('SET', KEYS[1], ARGV[2]) redis.call('DEL', KEYS[2]) return 1` },

  /** KEYS epoch, lock; ARGV token. The epoch stays as it is: nobody can write until somebody has rebuilt. */
  abandonRebuild: {
    keys: 2,
    lua: `if redis.call('GET', KEYS[2]) == ARGV[1] then return redis.call('DEL', KEYS[2]) end return 0`,
  },
} as const satisfies Record<string, ScriptRow>;
