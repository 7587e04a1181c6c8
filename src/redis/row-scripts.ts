// Scripts of the ledger's rows, one row each, and of the sweeper's list of those that should have moved.
import { GUARD, type ScriptRow } from './script-guard.js';

/** Rows that are settled need no sweeper and go after a while; the others are overdue a little after they should have moved. */
const AFTER_STATE = `
local function place(id, state, due, keep, grace)
  if state == 'SENT' or state == 'CANCELLED' or state == 'DEAD' then
    redis.call('ZREM', KEYS[3], id)
    redis.call('PEXPIRE', KEYS[2], keep)
  else
    redis.call('ZADD', KEYS[3], due + grace, id)
  end
end
`;

export const ROW_SCRIPTS = {
  // ── notifications: KEYS epoch, row, due; ARGV epoch, id, … ──
  /** … grace ms, then names and values of the row */
  open: {
    keys: 3,
    lua: `${GUARD}
local have = redis.call('HMGET', KEYS[2], 'state', 'generation')
if have[1] then return have end
redis.call('HSET', KEYS[2], 'state', 'PENDING', 'due', now, 'createdAt', now, 'generation', 0, unpack(ARGV, 4))
redis.call('ZADD', KEYS[3], now + ARGV[3], ARGV[2])
return {'PENDING', '0'}`,
  },
  /** … lease ms (for SENDING), keep ms, state, whether the sweeper drives it, then names and values of the row */
  restore: {
    keys: 3,
    lua: `${GUARD} ${AFTER_STATE}
if redis.call('HGET', KEYS[2], 'state') == 'SENT' then return 0 end
redis.call('HSETNX', KEYS[2], 'createdAt', now)
redis.call('HSETNX', KEYS[2], 'generation', 0)
local due = now
if ARGV[5] == 'SENDING' then due = now + ARGV[3] end
redis.call('HSET', KEYS[2], 'state', ARGV[5], 'due', due, 'leaseUntil', due, unpack(ARGV, 7))
if ARGV[6] == '1' then place(ARGV[2], ARGV[5], due, ARGV[4], 0) else redis.call('ZREM', KEYS[3], ARGV[2]) end
return 1`,
  },
  read: { keys: 3, lua: `${GUARD} return {now, redis.call('HGETALL', KEYS[2])}` },
  /** … token, lease ms, grace ms → attempt, or false */
  claim: {
    keys: 3,
    lua: `${GUARD}
local state = redis.call('HGET', KEYS[2], 'state')
if state ~= 'PENDING' and state ~= 'HELD' then return false end
redis.call('HSET', KEYS[2], 'state', 'SENDING', 'token', ARGV[3], 'leaseUntil', now + ARGV[4])
redis.call('ZADD', KEYS[3], now + ARGV[4] + ARGV[5], ARGV[2])
return redis.call('HINCRBY', KEYS[2], 'attempt', 1)`,
  },
  /** … old token, token, lease ms, grace ms */
  takeOver: {
    keys: 3,
    lua: `${GUARD}
local have = redis.call('HMGET', KEYS[2], 'state', 'token', 'leaseUntil')
if have[1] ~= 'SENDING' or have[2] ~= ARGV[3] or tonumber(have[3]) > now then return 0 end
redis.call('HSET', KEYS[2], 'token', ARGV[4], 'leaseUntil', now + ARGV[5])
redis.call('ZADD', KEYS[3], now + ARGV[5] + ARGV[6], ARGV[2])
return 1`,
  },
  /** … token, offset of the attempt */
  confirm: {
    keys: 3,
    lua: `${GUARD}
local have = redis.call('HMGET', KEYS[2], 'state', 'token')
if have[1] ~= 'SENDING' or have[2] ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[2], 'logOffset', ARGV[4])
return 1`,
  },
  /** … token, lease ms, grace ms */
  extend: {
    keys: 3,
    lua: `${GUARD}
local have = redis.call('HMGET', KEYS[2], 'state', 'token')
if have[1] ~= 'SENDING' or have[2] ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[2], 'leaseUntil', now + ARGV[4])
redis.call('ZADD', KEYS[3], now + ARGV[4] + ARGV[5], ARGV[2])
return 1`,
  },
  /** … token or '' (then from PENDING or HELD), state, due in ms, reason, failures to add, possible repeat, safe, keep ms, grace ms */
  settle: {
    keys: 3,
    lua: `${GUARD} ${AFTER_STATE}
local have = redis.call('HMGET', KEYS[2], 'state', 'token')
if ARGV[3] == '' then
  if have[1] ~= 'PENDING' and have[1] ~= 'HELD' then return 0 end
elseif have[1] ~= 'SENDING' or have[2] ~= ARGV[3] then
  return 0
end
local due = now + ARGV[5]
redis.call('HSET', KEYS[2], 'state', ARGV[4], 'token', '', 'leaseUntil', 0, 'due', due, 'reason', ARGV[6])
redis.call('HINCRBY', KEYS[2], 'failures', ARGV[7])
if ARGV[8] == '1' then redis.call('HSET', KEYS[2], 'possibleRepeat', '1') end
if ARGV[9] == '1' then redis.call('HSET', KEYS[2], 'safe', '1') end
place(ARGV[2], ARGV[4], due, ARGV[10], ARGV[11])
return 1`,
  },
  /** … generation seen → the next, or false; a row that is settled or gone leaves the sweeper's list */
  bump: {
    keys: 3,
    lua: `${GUARD}
local have = redis.call('HMGET', KEYS[2], 'state', 'generation')
if not have[1] or have[1] == 'SENT' or have[1] == 'CANCELLED' or have[1] == 'DEAD' then
  redis.call('ZREM', KEYS[3], ARGV[2])
  return false
end
if have[2] ~= ARGV[3] then return false end
return redis.call('HINCRBY', KEYS[2], 'generation', 1)`,
  },

  // ── sweeper: the keys of rows follow the due list ──
  /** KEYS epoch, due; ARGV epoch, limit → ids */
  overdue: { keys: 2, lua: `${GUARD} return redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[2])` },
  /** KEYS epoch, due; ARGV epoch, limit → ids */
  some: { keys: 2, lua: `${GUARD} return redis.call('ZRANGE', KEYS[2], 0, ARGV[2] - 1)` },
  /** KEYS epoch, rows…; ARGV epoch → {state, generation}… */
  states: {
    keys: 'any',
    lua: `${GUARD}
local rows = {}
for i = 2, #KEYS do rows[i - 1] = redis.call('HMGET', KEYS[i], 'state', 'generation') end
return rows`,
  },
  /** KEYS epoch, due; ARGV epoch, ms, ids… */
  postpone: {
    keys: 2,
    lua: `${GUARD} for i = 3, #ARGV do redis.call('ZADD', KEYS[2], 'XX', now + ARGV[2], ARGV[i]) end return 1`,
  },
} as const satisfies Record<string, ScriptRow>;
