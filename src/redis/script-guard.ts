// What every script of the ledger begins with: KEYS[1] is always the epoch and ARGV[1] what it must be. A script is the only way to write.

/** Seconds and microseconds. */
export const SERVER_TIME = "redis.call('TIME')";

/** Answers LEDGERLOST unless the epoch is the caller's and this is the server process that the epoch was made in. */
export const GUARD = `
local epoch = redis.call('GET', KEYS[1])
if epoch ~= ARGV[1] or not string.find(redis.call('INFO', 'server'), 'run_id:' .. string.match(epoch, '^%w+'), 1, true) then
  return redis.error_reply('LEDGERLOST not the epoch of the caller')
end
local time = ${SERVER_TIME}
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

export interface ScriptRow {
  /** Number of keys. */
  readonly keys: number | 'any';
  readonly lua: string;
}
