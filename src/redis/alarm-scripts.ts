// Scripts of technical alarms: which conditions hold, by whoever reports them, and which alarms are open.
import { GUARD, type ScriptRow, SERVER_TIME } from './script-guard.js';

export const ALARM_SCRIPTS = {
  /**
   * No epoch: what is lost here is said again. KEYS seen, since; ARGV hold ms, keep ms, then conditions. A condition that was away for longer than `hold` began anew; one that
   * nobody has spoken of for `keep` is forgotten. → condition, since, last seen alternating for all that are known; now
   */
  alarmConditions: {
    keys: 2,
    lua: `
local time = ${SERVER_TIME}
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 3, #ARGV do
  local seen = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if not seen or now - tonumber(seen) > tonumber(ARGV[1]) then redis.call('HSET', KEYS[2], ARGV[i], now) end
  redis.call('ZADD', KEYS[1], now, ARGV[i])
end
for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])) do
  redis.call('ZREM', KEYS[1], old)
  redis.call('HDEL', KEYS[2], old)
end
local all = {}
local seen = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #seen, 2 do
  all[#all + 1] = seen[i]
  all[#all + 1] = redis.call('HGET', KEYS[2], seen[i]) or seen[i + 1]
  all[#all + 1] = seen[i + 1]
end
return {all, tostring(now)}`,
  },
  /** KEYS epoch, open; → alarm and state alternating */
  alarmsOpen: { keys: 2, lua: `${GUARD} return redis.call('HGETALL', KEYS[2])` },
  /** KEYS epoch, open; ARGV epoch, alarm, state expected or '' for none, state or '' for none → 1 where it was as expected */
  alarmMove: {
    keys: 2,
    lua: `${GUARD}
if (redis.call('HGET', KEYS[2], ARGV[2]) or '') ~= ARGV[3] then return 0 end
if ARGV[4] == '' then redis.call('HDEL', KEYS[2], ARGV[2]) else redis.call('HSET', KEYS[2], ARGV[2], ARGV[4]) end
return 1`,
  },
  /** KEYS epoch, open, seen, since; ARGV epoch, alarm, state: of a rebuild. Whoever sees its condition has to say so anew, as after any pause. */
  restoreAlarm: {
    keys: 4,
    lua: `${GUARD}
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[3], now, ARGV[2])
redis.call('HSET', KEYS[4], ARGV[2], now)
return 1`,
  },
  /** KEYS epoch, beats; ARGV epoch, partition, ms: the newest beat of that partition that was accepted */
  heartbeatAccepted: {
    keys: 2,
    lua: `${GUARD}
local have = redis.call('ZSCORE', KEYS[2], ARGV[2])
if not have or tonumber(have) < tonumber(ARGV[3]) then redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2]) end
return 1`,
  },
  /** KEYS epoch, beats; ARGV epoch, forgotten ms → partition and ms alternating of those heard of lately, now */
  heartbeats: {
    keys: 2,
    lua: `${GUARD}
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[2])
return {redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES'), tostring(now)}`,
  },
} as const satisfies Record<string, ScriptRow>;
