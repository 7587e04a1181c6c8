// The limiter's scripts (alerts.md, Notifications): per topic a token bucket, a line in order of severity, and a pool of what digests may take. By Redis's clock.
import { GUARD, type ScriptRow } from './script-guard.js';

/**
 * KEYS[2…6] of one topic: bucket (hash), line (what is sent by itself), pool (what a digest may stand for), asked (when each is
 * expected back), raised (new episodes of the last minute). `line` and `pool` are in the order in which they go: severity, then age.
 */
export const LIMITER_SCRIPTS = {
  /**
   * ARGV epoch, id, score, poolable, raised, per second, burst, digest above, digest every ms, window ms, grace ms, look again ms, keep ms, spread at most ms, spread each ms, look again at most ms
   * → {'go', factor} | {'wait', ms, 'limited' or 'digest'} | {'digest', window ms}
   */
  admit: {
    keys: 6,
    lua: `${GUARD}
local bucket, line, pool, asked, raised = KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local id, score, poolable = ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'
local burst, above, every = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local have = redis.call('HMGET', bucket, 'tokens', 'at', 'factor', 'window')
local rate = tonumber(ARGV[6]) * tonumber(have[3] or '1') / 1000
local tokens = burst
if have[1] then tokens = math.min(burst, tonumber(have[1]) + math.max(0, now - tonumber(have[2])) * rate) end
-- Whoever did not come back when its turn was near has no place any more: its job died, or something else became of it.
for _, lost in ipairs(redis.call('ZRANGEBYSCORE', asked, '-inf', now - ARGV[11], 'LIMIT', 0, 200)) do
  redis.call('ZREM', line, lost) redis.call('ZREM', pool, lost) redis.call('ZREM', asked, lost)
end
if ARGV[5] == '1' then
  redis.call('ZADD', raised, 'NX', now, id)
  redis.call('ZREMRANGEBYRANK', raised, 0, -2 - 2 * above)
end
redis.call('ZREMRANGEBYSCORE', raised, '-inf', now - ARGV[10])
redis.call('ZADD', poolable and pool or line, score, id)
local waiting = redis.call('ZCARD', line) + redis.call('ZCARD', pool)
local digesting = waiting > above or redis.call('ZCARD', raised) > above
local answer
if digesting and poolable then
  local window = now - now % every
  local last = tonumber(have[4] or '-1')
  -- While digests wait that would go before it, whatever comes is for a later and larger one.
  local first = redis.call('ZRANGE', pool, 0, 0, 'WITHSCORES')
  local before = redis.call('ZCOUNT', line, '-inf', first[2])
  if last >= 0 and last ~= window and before < burst then
    redis.call('HSET', bucket, 'window', window)
    answer = {'digest', window}
  else
    if last < 0 then redis.call('HSET', bucket, 'window', window) end
    -- At the window's end the first to come back makes the digests, for all that wait. Thousands at once would only be in each other's way.
    local spread = math.min(ARGV[14] + 0, redis.call('ZRANK', pool, id) * ARGV[15])
    answer = {'wait', window + every - now + spread, 'digest'}
  end
else
  local ahead = redis.call('ZCOUNT', line, '-inf', '(' .. ARGV[3])
  if not digesting then
    ahead = ahead + redis.call('ZCOUNT', pool, '-inf', '(' .. ARGV[3])
    if have[4] then redis.call('HDEL', bucket, 'window') end
  end
  if tokens - ahead >= 1 then
    tokens = tokens - 1
    answer = {'go', have[3] or '1'}
  else
    -- Others may leave the line, and a throttled topic comes back: whoever has long to wait looks again before.
    local turn = math.ceil((ahead + 1 - tokens) / rate)
    answer = {'wait', math.min(turn, math.max(ARGV[12] + 0, math.min(math.ceil(turn / 2), ARGV[16] + 0))), 'limited'}
  end
end
redis.call('HSET', bucket, 'tokens', tostring(tokens), 'at', now)
if answer[1] == 'go' then
  redis.call('ZREM', line, id) redis.call('ZREM', pool, id) redis.call('ZREM', asked, id)
else
  local back = now
  if answer[1] == 'wait' then back = now + answer[2] end
  redis.call('ZADD', asked, back, id)
end
for i = 2, 6 do redis.call('PEXPIRE', KEYS[i], ARGV[13]) end
return answer`,
  },
  /** ARGV epoch, limit → ids, in the order in which they go */
  pool: { keys: 6, lua: `${GUARD} return redis.call('ZRANGE', KEYS[4], 0, ARGV[2] - 1)` },
  /** ARGV epoch, ids…: they are not sent by themselves any more, and no digest is to take them */
  leave: {
    keys: 6,
    lua: `${GUARD}
for i = 2, #ARGV do
  for list = 3, 5 do redis.call('ZREM', KEYS[list], ARGV[i]) end
end
return 1`,
  },
  /** ARGV epoch, what the rate is multiplied with, least, most, keep ms, whether the bucket is emptied */
  pace: {
    keys: 6,
    lua: `${GUARD}
local have = redis.call('HMGET', KEYS[2], 'factor', 'tokens')
local factor = math.max(ARGV[3] + 0, math.min(ARGV[4] + 0, tonumber(have[1] or '1') * ARGV[2]))
redis.call('HSET', KEYS[2], 'factor', tostring(factor))
if ARGV[6] == '1' then redis.call('HSET', KEYS[2], 'tokens', '0', 'at', now) end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return tostring(factor)`,
  },
} as const satisfies Record<string, ScriptRow>;
