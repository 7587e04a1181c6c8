// Scripts of the ledger's rows, one row each, and of the sweeper's lists.
import { HEARTBEAT_KEPT_MS } from '../domain/heartbeat.js';
import { GUARD, type ScriptRow } from './script-guard.js';

// KEYS of all of them: epoch, due (open rows by when they should have moved), trouble (what a person has to look at), unsent (the most
// severe that nobody has been told of), then the rows. ARGV[1] is the epoch, and ARGV[2] the id of the row where there is one.

/** After each change of a row's state. Settled rows go after a while; others are overdue a little after they should have moved. */
const PLACE = `
local function place(row, id, state, due, keep, grace)
  if state == 'SENT' or state == 'CANCELLED' or state == 'DEAD' then
    redis.call('ZREM', KEYS[2], id)
    redis.call('ZREM', KEYS[4], id)
    redis.call('PEXPIRE', row, keep)
  else
    redis.call('ZADD', KEYS[2], due + grace, id)
  end
  if state == 'DEAD' or state == 'HELD' then
    redis.call('ZADD', KEYS[3], 'NX', now, id)
  else
    redis.call('ZREM', KEYS[3], id)
  end
end
`;

/** What a row is made of beside its own fields. */
const MAKE = `
local function make(row, id, high, grace)
  redis.call('HSET', row, 'state', 'PENDING', 'due', now, 'createdAt', now, 'generation', 0)
  redis.call('ZADD', KEYS[2], now + grace, id)
  if high == '1' then redis.call('ZADD', KEYS[4], now, id) end
end
`;

const ROW_KEYS = 5;
const LIST_KEYS = 4;

export const ROW_SCRIPTS = {
  // ── one row ──
  /** … id, grace ms, whether its severity is high, then names and values of the row → {state, generation} */
  open: {
    keys: ROW_KEYS,
    lua: `${GUARD} ${MAKE}
local have = redis.call('HMGET', KEYS[5], 'state', 'generation')
if have[1] then return have end
redis.call('HSET', KEYS[5], unpack(ARGV, 5))
make(KEYS[5], ARGV[2], ARGV[4], ARGV[3])
return {'PENDING', '0'}`,
  },
  /** … id, lease ms (for SENDING), keep ms, state, whether the sweeper drives it, whether its severity is high, grace ms, then names and values of the row */
  restore: {
    keys: ROW_KEYS,
    lua: `${GUARD} ${PLACE}
if redis.call('HGET', KEYS[5], 'state') == 'SENT' then return 0 end
redis.call('HSETNX', KEYS[5], 'createdAt', now)
redis.call('HSETNX', KEYS[5], 'generation', 0)
local due = now
if ARGV[5] == 'SENDING' then due = now + ARGV[3] end
redis.call('HSET', KEYS[5], 'state', ARGV[5], 'due', due, 'leaseUntil', due, unpack(ARGV, 9))
if ARGV[7] == '1' then redis.call('ZADD', KEYS[4], 'NX', redis.call('HGET', KEYS[5], 'createdAt'), ARGV[2]) end
place(KEYS[5], ARGV[2], ARGV[5], due, ARGV[4], ARGV[8])
if ARGV[6] ~= '1' then redis.call('ZREM', KEYS[2], ARGV[2]) end
return 1`,
  },
  /** … id → {now, {name, value, …}} */
  read: { keys: ROW_KEYS, lua: `${GUARD} return {now, redis.call('HGETALL', KEYS[5])}` },
  /** … id, token, lease ms, grace ms → attempt, or false */
  claim: {
    keys: ROW_KEYS,
    lua: `${GUARD}
local state = redis.call('HGET', KEYS[5], 'state')
if state ~= 'PENDING' and state ~= 'HELD' then return false end
redis.call('HSET', KEYS[5], 'state', 'SENDING', 'token', ARGV[3], 'leaseUntil', now + ARGV[4])
redis.call('ZADD', KEYS[2], now + ARGV[4] + ARGV[5], ARGV[2])
return redis.call('HINCRBY', KEYS[5], 'attempt', 1)`,
  },
  /** … id, old token, token, lease ms, grace ms */
  takeOver: {
    keys: ROW_KEYS,
    lua: `${GUARD}
local have = redis.call('HMGET', KEYS[5], 'state', 'token', 'leaseUntil')
if have[1] ~= 'SENDING' or have[2] ~= ARGV[3] or tonumber(have[3]) > now then return 0 end
redis.call('HSET', KEYS[5], 'token', ARGV[4], 'leaseUntil', now + ARGV[5])
redis.call('ZADD', KEYS[2], now + ARGV[5] + ARGV[6], ARGV[2])
return 1`,
  },
  /** … id, token, offset of the attempt */
  confirm: {
    keys: ROW_KEYS,
    lua: `${GUARD}
local have = redis.call('HMGET', KEYS[5], 'state', 'token')
if have[1] ~= 'SENDING' or have[2] ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[5], 'logOffset', ARGV[4])
return 1`,
  },
  /** … id, token, lease ms, grace ms */
  extend: {
    keys: ROW_KEYS,
    lua: `${GUARD}
local have = redis.call('HMGET', KEYS[5], 'state', 'token')
if have[1] ~= 'SENDING' or have[2] ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[5], 'leaseUntil', now + ARGV[4])
redis.call('ZADD', KEYS[2], now + ARGV[4] + ARGV[5], ARGV[2])
return 1`,
  },
  /** … id, token or '' (then from PENDING or HELD), state, due in ms, reason, failures to add, possible repeat, safe, keep ms, grace ms */
  settle: {
    keys: ROW_KEYS,
    lua: `${GUARD} ${PLACE}
local have = redis.call('HMGET', KEYS[5], 'state', 'token')
if ARGV[3] == '' then
  if have[1] ~= 'PENDING' and have[1] ~= 'HELD' then return 0 end
elseif have[1] ~= 'SENDING' or have[2] ~= ARGV[3] then
  return 0
end
local due = now + ARGV[5]
redis.call('HSET', KEYS[5], 'state', ARGV[4], 'token', '', 'leaseUntil', 0, 'due', due, 'reason', ARGV[6])
redis.call('HINCRBY', KEYS[5], 'failures', ARGV[7])
if ARGV[8] == '1' then redis.call('HSET', KEYS[5], 'possibleRepeat', '1') end
if ARGV[9] == '1' then redis.call('HSET', KEYS[5], 'safe', '1') end
local keep = ARGV[10]
if redis.call('HGET', KEYS[5], 'kind') == 'heartbeat' then keep = ${HEARTBEAT_KEPT_MS} end
place(KEYS[5], ARGV[2], ARGV[4], due, keep, ARGV[11])
return 1`,
  },
  /** … id, generation seen → the next, or false; a row that is settled or gone leaves the sweeper's list */
  bump: {
    keys: ROW_KEYS,
    lua: `${GUARD}
local have = redis.call('HMGET', KEYS[5], 'state', 'generation')
if not have[1] or have[1] == 'SENT' or have[1] == 'CANCELLED' or have[1] == 'DEAD' then
  redis.call('ZREM', KEYS[2], ARGV[2])
  redis.call('ZREM', KEYS[4], ARGV[2])
  return false
end
if have[2] ~= ARGV[3] then return false end
return redis.call('HINCRBY', KEYS[5], 'generation', 1)`,
  },
  /** … id, id of the row to the fallback topic */
  fallenBack: {
    keys: ROW_KEYS,
    lua: `${GUARD} if redis.call('EXISTS', KEYS[5]) == 1 then redis.call('HSET', KEYS[5], 'fallback', ARGV[3]) end return 1`,
  },

  // ── a row that stands for others: its own key, then theirs ──
  /**
   * … id, 'new' or 'into', grace ms, cover grace ms, whether its severity is high, number of others, then id and attempt of each, then (new) names
   * and values of the row → {'exists'} | {'none'} | {'covered', ids…}. Others that have moved since they were looked at stay what they are.
   */
  cover: {
    keys: 'any',
    lua: `${GUARD} ${PLACE} ${MAKE}
local state = redis.call('HGET', KEYS[5], 'state')
if ARGV[3] == 'new' then
  if state then return {'exists'} end
elseif state ~= 'PENDING' and state ~= 'HELD' then
  return {'exists'}
end
local taken, repeated = {}, false
for i = 1, tonumber(ARGV[7]) do
  local row, id, attempt = KEYS[5 + i], ARGV[6 + 2 * i], ARGV[7 + 2 * i]
  local have = redis.call('HMGET', row, 'state', 'attempt', 'possibleRepeat')
  if (have[1] == 'PENDING' or have[1] == 'HELD') and (have[2] or '0') == attempt then
    redis.call('HSET', row, 'state', 'COVERED', 'coveredBy', ARGV[2], 'due', now, 'reason', 'covered')
    place(row, id, 'COVERED', now, 0, ARGV[5])
    repeated = repeated or have[3] == '1'
    taken[#taken + 1] = id
  end
end
if #taken == 0 then return {'none'} end
local covers = taken
if ARGV[3] == 'new' then
  redis.call('HSET', KEYS[5], unpack(ARGV, 8 + 2 * ARGV[7]))
  make(KEYS[5], ARGV[2], ARGV[6], ARGV[4])
else
  covers = cjson.decode(redis.call('HGET', KEYS[5], 'covers') or '[]')
  for _, id in ipairs(taken) do covers[#covers + 1] = id end
end
redis.call('HSET', KEYS[5], 'covers', cjson.encode(covers), 'coversRecorded', '0')
if repeated then redis.call('HSET', KEYS[5], 'possibleRepeat', '1') end
return {'covered', unpack(taken)}`,
  },
  /** … id, ids of the others as a JSON list, partition and offset of its decision (or '' where it was decided before). False when more were taken since. */
  coversRecorded: {
    keys: ROW_KEYS,
    lua: `${GUARD}
if redis.call('HGET', KEYS[5], 'covers') ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[5], 'coversRecorded', '1')
if ARGV[4] ~= '' then redis.call('HSET', KEYS[5], 'logPartition', ARGV[4], 'logOffset', ARGV[5]) end
return 1`,
  },
  /** KEYS after the lists: the others. … id of the covering row, state, reason, keep ms, grace ms, then ids of the others → how many were still covered by it */
  settleCovered: {
    keys: 'any',
    lua: `${GUARD} ${PLACE}
local moved = 0
for i = 5, #KEYS do
  local have = redis.call('HMGET', KEYS[i], 'state', 'coveredBy')
  if have[1] == 'COVERED' and have[2] == ARGV[2] then
    redis.call('HSET', KEYS[i], 'state', ARGV[3], 'due', now, 'reason', ARGV[4])
    place(KEYS[i], ARGV[2 + i], ARGV[3], now, ARGV[5], ARGV[6])
    moved = moved + 1
  end
end
return moved`,
  },
  /** … id, reason, grace ms, high, cover grace ms, then ids of those that it stood for → generation, or false. DEAD or HELD → PENDING. */
  redrive: {
    keys: 'any',
    lua: `${GUARD} ${PLACE}
local have = redis.call('HMGET', KEYS[5], 'state', 'coveredBy', 'createdAt')
if have[1] ~= 'DEAD' and have[1] ~= 'HELD' then return false end
redis.call('PERSIST', KEYS[5])
redis.call('HSET', KEYS[5], 'state', 'PENDING', 'due', now, 'reason', ARGV[3], 'failures', 0, 'safe', 0, 'coveredBy', '', 'coversRecorded', 0)
place(KEYS[5], ARGV[2], 'PENDING', now, 0, ARGV[4])
if ARGV[5] == '1' then redis.call('ZADD', KEYS[4], 'NX', have[3], ARGV[2]) end
for i = 6, #KEYS do
  local one = redis.call('HMGET', KEYS[i], 'state', 'coveredBy')
  if one[1] == 'DEAD' and one[2] == ARGV[2] then
    redis.call('PERSIST', KEYS[i])
    redis.call('HSET', KEYS[i], 'state', 'COVERED', 'due', now)
    place(KEYS[i], ARGV[1 + i], 'COVERED', now, 0, ARGV[6])
  end
end
return redis.call('HINCRBY', KEYS[5], 'generation', 1)`,
  },

  // ── lists ──
  /** … limit → ids that should have moved by now */
  overdue: {
    keys: LIST_KEYS,
    lua: `${GUARD} return redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[2])`,
  },
  /** … limit → {open rows, ids of the first of them} */
  some: {
    keys: LIST_KEYS,
    lua: `${GUARD} return {redis.call('ZCARD', KEYS[2]), redis.call('ZRANGE', KEYS[2], 0, ARGV[2] - 1)}`,
  },
  /** … limit → ids of what a person has to look at, the oldest first */
  trouble: { keys: LIST_KEYS, lua: `${GUARD} return redis.call('ZRANGE', KEYS[3], 0, ARGV[2] - 1)` },
  /** … ids that are no trouble any more: their rows have gone */
  forget: {
    keys: LIST_KEYS,
    lua: `${GUARD} for i = 2, #ARGV do redis.call('ZREM', KEYS[3], ARGV[i]) redis.call('ZREM', KEYS[4], ARGV[i]) end return 1`,
  },
  /** → age in ms of the oldest high one that is unsent, or -1 */
  oldestUnsent: {
    keys: LIST_KEYS,
    lua: `${GUARD}
local first = redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')
if not first[2] then return -1 end
return math.max(0, now - first[2])`,
  },
  /** … rows → {state, generation, severity, kind, coveredBy}… */
  states: {
    keys: 'any',
    lua: `${GUARD}
local rows = {}
for i = 5, #KEYS do rows[i - 4] = redis.call('HMGET', KEYS[i], 'state', 'generation', 'severity', 'kind', 'coveredBy') end
return rows`,
  },
  /** … ms, ids… */
  postpone: {
    keys: LIST_KEYS,
    lua: `${GUARD} for i = 3, #ARGV do redis.call('ZADD', KEYS[2], 'XX', now + ARGV[2], ARGV[i]) end return 1`,
  },
} as const satisfies Record<string, ScriptRow>;
