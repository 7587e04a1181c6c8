// Scripts of the views that dispatch folds: episodes, each with its events and the decisions on them.
import { GUARD, type ScriptRow } from './script-guard.js';

export const VIEW_SCRIPTS = {
  /** KEYS epoch, episode; ARGV epoch, event id → version, offset, told, decision, now in ms */
  view: {
    keys: 2,
    lua: `${GUARD}
local view = redis.call('HMGET', KEYS[2], 'version', 'offset', 'told', 'd:' .. ARGV[2])
view[5] = tostring(now)
return view`,
  },
  /** KEYS epoch, episode, episodes:open; ARGV epoch, event id, version seen, offset, event, decision, told, episode id, since ms or '' when closed, keep ms */
  fold: {
    keys: 3,
    lua: `${GUARD}
local stored = redis.call('HGET', KEYS[2], 'd:' .. ARGV[2])
if stored then return {'stored', stored} end
if tonumber(ARGV[4]) <= tonumber(redis.call('HGET', KEYS[2], 'offset') or '-1') then return {'below', ''} end
local version = tonumber(redis.call('HGET', KEYS[2], 'version') or '0')
if version ~= tonumber(ARGV[3]) then return {'conflict', ''} end
redis.call('HSET', KEYS[2], 'version', version + 1, 'offset', ARGV[4], 'told', ARGV[7], 'e:' .. ARGV[2], ARGV[5], 'd:' .. ARGV[2], ARGV[6])
if ARGV[9] == '' then
  redis.call('ZREM', KEYS[3], ARGV[8])
  redis.call('PEXPIRE', KEYS[2], ARGV[10])
else
  redis.call('ZADD', KEYS[3], ARGV[9], ARGV[8])
  redis.call('PERSIST', KEYS[2])
end
return {'folded', ARGV[6]}`,
  },
  /** As fold, of a rebuild: what is there is overwritten, and a fold that is ahead stays ahead. */
  restoreFold: {
    keys: 3,
    lua: `${GUARD}
local offset = tonumber(redis.call('HGET', KEYS[2], 'offset') or '-1')
redis.call('HSET', KEYS[2], 'e:' .. ARGV[2], ARGV[5], 'd:' .. ARGV[2], ARGV[6])
redis.call('HINCRBY', KEYS[2], 'version', 1)
if tonumber(ARGV[4]) < offset then return 0 end
redis.call('HSET', KEYS[2], 'offset', ARGV[4], 'told', ARGV[7])
if ARGV[9] == '' then
  redis.call('ZREM', KEYS[3], ARGV[8])
  redis.call('PEXPIRE', KEYS[2], ARGV[10])
else
  redis.call('ZADD', KEYS[3], ARGV[9], ARGV[8])
  redis.call('PERSIST', KEYS[2])
end
return 1`,
  },
  /** KEYS epoch, episode; ARGV epoch, event id */
  event: { keys: 2, lua: `${GUARD} return redis.call('HGET', KEYS[2], 'e:' .. ARGV[2])` },
} as const satisfies Record<string, ScriptRow>;
