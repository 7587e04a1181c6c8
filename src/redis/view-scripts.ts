// Scripts of dispatch's views: episodes with their events and decisions, keys for flapping, silences, pending timers.
import { GUARD, type ScriptRow } from './script-guard.js';

/** An open episode stays, and is on the list; any other goes after a while. `key` is its own, `open` the list's. */
const PLACE_EPISODE = `
local function placeEpisode(key, open, id, sinceMs, keep)
  if sinceMs == '' then
    redis.call('ZREM', open, id)
    redis.call('PEXPIRE', key, keep)
  else
    redis.call('ZADD', open, sinceMs, id)
    redis.call('PERSIST', key)
  end
end
`;

export const VIEW_SCRIPTS = {
  /** KEYS epoch, episode, flapping, silences; ARGV epoch, id of event or timer → view, decision, flapping view, now in ms, silences */
  view: {
    keys: 4,
    lua: `${GUARD}
local episode = redis.call('HMGET', KEYS[2], 'view', 'd:' .. ARGV[2])
return {episode[1], episode[2], redis.call('HGET', KEYS[3], 'view'), tostring(now), redis.call('HVALS', KEYS[4])}`,
  },
  /**
   * KEYS epoch, episode, flapping, episodes:open; ARGV epoch, id of event or timer, version seen, offset or '' (a timer has none), decision, view,
   * flapping version seen, flapping view or '', event or '', episode id, since ms or '' when not open, keep ms
   */
  fold: {
    keys: 4,
    lua: `${GUARD} ${PLACE_EPISODE}
local have = redis.call('HMGET', KEYS[2], 'd:' .. ARGV[2], 'version', 'offset')
if have[1] then return {'stored', have[1]} end
local offset = tonumber(have[3] or '-1')
if ARGV[4] ~= '' then
  if tonumber(ARGV[4]) <= offset then return {'below', ''} end
  offset = tonumber(ARGV[4])
end
local version = tonumber(have[2] or '0')
if version ~= tonumber(ARGV[3]) then return {'conflict', ''} end
if ARGV[8] ~= '' then
  local flapping = tonumber(redis.call('HGET', KEYS[3], 'version') or '0')
  if flapping ~= tonumber(ARGV[7]) then return {'conflict', ''} end
  redis.call('HSET', KEYS[3], 'version', flapping + 1, 'view', ARGV[8])
  redis.call('PEXPIRE', KEYS[3], ARGV[12])
end
redis.call('HSET', KEYS[2], 'version', version + 1, 'offset', offset, 'view', ARGV[6], 'd:' .. ARGV[2], ARGV[5])
if ARGV[9] ~= '' then redis.call('HSET', KEYS[2], 'e:' .. ARGV[2], ARGV[9]) end
placeEpisode(KEYS[2], KEYS[4], ARGV[10], ARGV[11], ARGV[12])
return {'folded', ARGV[5]}`,
  },
  /** KEYS epoch, episode; ARGV epoch, event id */
  event: { keys: 2, lua: `${GUARD} return redis.call('HGET', KEYS[2], 'e:' .. ARGV[2])` },
  /** KEYS epoch, episodes:open; ARGV epoch, from, limit → ids, the oldest first */
  openEpisodes: {
    keys: 2,
    lua: `${GUARD} return redis.call('ZRANGE', KEYS[2], ARGV[2], ARGV[2] + ARGV[3] - 1)`,
  },

  // ── silences ──
  /**
   * KEYS epoch, silence, silences; ARGV epoch, event id, offset, silence id, silence or '' when it ends, decision, keep ms → folded, stored
   * with the first decision, or below
   */
  foldSilence: {
    keys: 3,
    lua: `${GUARD}
local have = redis.call('HMGET', KEYS[2], 'd:' .. ARGV[2], 'offset')
if have[1] then return {'stored', have[1]} end
if tonumber(ARGV[3]) <= tonumber(have[2] or '-1') then return {'below', ''} end
redis.call('HSET', KEYS[2], 'offset', ARGV[3], 'd:' .. ARGV[2], ARGV[6])
if ARGV[5] == '' then
  redis.call('HDEL', KEYS[3], ARGV[4])
else
  redis.call('HSET', KEYS[2], 'silence', ARGV[5])
  redis.call('HSET', KEYS[3], ARGV[4], ARGV[5])
end
redis.call('PEXPIRE', KEYS[2], ARGV[7])
return {'folded', ARGV[6]}`,
  },
  /** KEYS epoch, silences; → silences, now in ms */
  silences: { keys: 2, lua: `${GUARD} return {redis.call('HVALS', KEYS[2]), tostring(now)}` },

  // ── timers: a hash of those that are pending, and a list by due ──
  /**
   * KEYS epoch, episode, timers, timers:due, silences, held; ARGV epoch, timer id, due ms, timer, silence id or '', keep ms → ms until it is due,
   * or false where it went off before. One that waits for a silence that is over is due now.
   */
  schedule: {
    keys: 6,
    lua: `${GUARD}
if redis.call('HEXISTS', KEYS[2], 'd:' .. ARGV[2]) == 1 then return false end
local due = tonumber(ARGV[3])
if ARGV[5] ~= '' then
  redis.call('SADD', KEYS[6], ARGV[2])
  redis.call('PEXPIRE', KEYS[6], ARGV[6])
  if redis.call('HEXISTS', KEYS[5], ARGV[5]) == 0 then due = math.min(due, now) end
end
local have = redis.call('ZSCORE', KEYS[4], ARGV[2])
if have then due = math.min(due, tonumber(have)) end
redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
redis.call('ZADD', KEYS[4], due, ARGV[2])
return tostring(math.max(0, due - now))`,
  },
  /** KEYS epoch, held, timers, timers:due; ARGV epoch → the ids of those that are pending: due now */
  release: {
    keys: 4,
    lua: `${GUARD}
local pending = {}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  local due = redis.call('ZSCORE', KEYS[4], id)
  if due then
    if tonumber(due) > now then redis.call('ZADD', KEYS[4], now, id) end
    pending[#pending + 1] = id
  end
end
return pending`,
  },
  /** KEYS epoch, timers, timers:due; ARGV epoch, timer id → timer, due ms, now in ms */
  timer: {
    keys: 3,
    lua: `${GUARD}
return {redis.call('HGET', KEYS[2], ARGV[2]), redis.call('ZSCORE', KEYS[3], ARGV[2]), tostring(now)}`,
  },
  /** KEYS epoch, timers, timers:due; ARGV epoch, timer id */
  timerDone: {
    keys: 3,
    lua: `${GUARD} redis.call('HDEL', KEYS[2], ARGV[2]) redis.call('ZREM', KEYS[3], ARGV[2]) return 1`,
  },
  /** KEYS epoch, timers:due; ARGV epoch, ahead ms, limit → id and due ms alternating, now in ms */
  timersDue: {
    keys: 2,
    lua: `${GUARD}
return {redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now + ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[3]), tostring(now)}`,
  },

  // ── rebuild: what is there gives way ──
  /** KEYS epoch, lists…; ARGV epoch */
  clearViews: { keys: 'any', lua: `${GUARD} for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end return 1` },
  /** KEYS epoch, episode, episodes:open; ARGV epoch, episode id, since ms or '', keep ms, then names and values */
  restoreEpisode: {
    keys: 3,
    lua: `${GUARD} ${PLACE_EPISODE}
redis.call('UNLINK', KEYS[2])
for i = 5, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
placeEpisode(KEYS[2], KEYS[3], ARGV[2], ARGV[3], ARGV[4])
return 1`,
  },
  /** KEYS epoch, silence, held; ARGV epoch, event id: what an older Redis knew of it is not asked; its beginning and its end follow each other. */
  forgetSilence: {
    keys: 3,
    lua: `${GUARD} redis.call('HDEL', KEYS[2], 'offset', 'd:' .. ARGV[2]) redis.call('UNLINK', KEYS[3]) return 1`,
  },
  /** KEYS epoch, flapping; ARGV epoch, version, view, keep ms */
  restoreFlapping: {
    keys: 2,
    lua: `${GUARD} redis.call('HSET', KEYS[2], 'version', ARGV[2], 'view', ARGV[3]) redis.call('PEXPIRE', KEYS[2], ARGV[4]) return 1`,
  },
} as const satisfies Record<string, ScriptRow>;
