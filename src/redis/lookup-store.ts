// Versions of the reference tables in Redis: written into a namespace of their own, checked, then switched by one key (data-path.md 5).
import type { Redis } from 'ioredis';
import type { ImportTable } from '../domain/import-settings.js';
import { Checksum, type Entry, type VersionInfo } from '../domain/import-version.js';

/** Entries of one HSET, HSCAN or HMGET: a few hundred kilobytes, so that Redis serves others in between. */
const CHUNK = 1_000;
/** A load that died leaves its keys behind for an hour at most. */
const UNFINISHED_TTL_S = 3_600;
/** Watchers take the new version within seconds; a reader in the middle of the old one may finish. */
const REPLACED_TTL_S = 600;

export interface VersionMeta extends VersionInfo {
  /** UTC milliseconds: written, and last found to be what the source holds. */
  readonly loadedAtMs: number;
  readonly confirmedAtMs: number;
  /** `rds:<table>`, `file:<name>` or `lake`. */
  readonly source: string;
}

/** What Redis holds differs from what was written or promised: torn, evicted or expired. Read the pointer again. */
export class LookupVersionBroken extends Error {
  override readonly name = 'LookupVersionBroken';
}

/** The lock was lost before the switch: someone else may have switched meanwhile. Import again. */
export class ImportLockLost extends Error {
  override readonly name = 'ImportLockLost';
}

/** The last import by tick that came to an end. UTC milliseconds; `tickMs` is its nominal tick. */
export interface ImportRun {
  readonly tickMs: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** The last good version stays. */
  readonly refused: boolean;
}

export interface LookupStore {
  /** The version in force; undefined where there is none. Throws when Redis is away. */
  current(table: ImportTable): Promise<VersionMeta | undefined>;
  /** All entries of a version. @throws LookupVersionBroken when count or checksum don't hold */
  read(table: ImportTable, meta: VersionInfo, onEntry: (entry: Entry) => void): Promise<void>;
  /** Single entries of a version, in the order of `keys`. */
  entries(table: ImportTable, version: string, keys: readonly string[]): Promise<readonly (Entry | undefined)[]>;
  /**
   * Writes a version and reads it back, as long as the lock is ours. Repeatable. @throws ImportLockLost: what another has written
   * meanwhile, and perhaps put in force, is left alone. @throws LookupVersionBroken
   */
  write(
    table: ImportTable,
    info: VersionInfo,
    entries: readonly Entry[],
    source: string,
    lock: string,
    nowMs: number,
  ): Promise<void>;
  /** Makes a written version the one in force, tells everyone, lets the one before expire. @throws ImportLockLost, LookupVersionBroken */
  switchTo(table: ImportTable, info: VersionInfo, lock: string, nowMs: number): Promise<void>;
  /** One import of a table at a time. `token` is unique; false: another one runs. */
  lock(table: ImportTable, token: string, ttlMs: number): Promise<boolean>;
  /** False: the lock is lost. */
  renew(table: ImportTable, token: string, ttlMs: number): Promise<boolean>;
  unlock(table: ImportTable, token: string): Promise<void>;
  lastRun(table: ImportTable): Promise<ImportRun | undefined>;
  recordRun(table: ImportTable, run: ImportRun): Promise<void>;
  /** The newest tick whose job is being tried again; undefined where none is. */
  retrying(table: ImportTable): Promise<number | undefined>;
  /** Says that the job of a tick will be tried again within `ttlMs`. */
  recordRetry(table: ImportTable, tickMs: number, ttlMs: number): Promise<void>;
  /** The channel that `switchTo` tells. */
  readonly channel: string;
}

// KEYS: current, lock, version hash, its meta. ARGV: version, lock token, rows, now, TTL of the old, channel, table, key prefix of versions, of metas.
const SWITCH = `
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 'lock' end
if redis.call('HLEN', KEYS[3]) ~= tonumber(ARGV[3]) or redis.call('EXISTS', KEYS[4]) == 0 then return 'broken' end
local before = redis.call('GET', KEYS[1])
redis.call('PERSIST', KEYS[3])
redis.call('PERSIST', KEYS[4])
redis.call('HSET', KEYS[4], 'confirmedAt', ARGV[4])
redis.call('SET', KEYS[1], ARGV[1])
if before ~= ARGV[1] then
  if before then
    redis.call('EXPIRE', ARGV[8] .. before, ARGV[5])
    redis.call('EXPIRE', ARGV[9] .. before, ARGV[5])
  end
  redis.call('PUBLISH', ARGV[6], ARGV[7])
end
return 'ok'`;
// KEYS: lock, version hash, its meta. ARGV: lock token.
const EMPTY = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lock' end
redis.call('UNLINK', KEYS[2], KEYS[3])
return 'ok'`;
// KEYS: lock, a hash of an unfinished version. ARGV: lock token, TTL, fields and values.
const PUT = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lock' end
redis.call('HSET', KEYS[2], unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 'ok'`;
const RENEW = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0`;
const UNLOCK = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

/** `redis` is a `command` connection; the store does not close it. */
export function createLookupStore(redis: Redis, prefix: string): LookupStore {
  const channel = `${prefix}:lookup:changed`;
  const key = (table: ImportTable, ...rest: string[]) => [prefix, 'lookup', table, ...rest].join(':');
  const currentKey = (table: ImportTable) => key(table, 'current');
  const lockKey = (table: ImportTable) => key(table, 'lock');
  const runKey = (table: ImportTable) => key(table, 'run');
  const rowsKey = (table: ImportTable, version: string) => key(table, version);
  const metaKey = (table: ImportTable, version: string) => key(table, 'meta', version);

  const read: LookupStore['read'] = async (table, meta, onEntry) => {
    const seen = new Set<string>();
    const sum = new Checksum();
    let cursor = '0';
    do {
      const [next, flat] = await redis.hscan(rowsKey(table, meta.version), cursor, 'COUNT', CHUNK);
      for (let i = 0; i + 1 < flat.length; i += 2) {
        const entry: Entry = { key: flat[i] as string, json: flat[i + 1] as string };
        // While the hash is resized HSCAN may hand out an entry twice.
        if (seen.has(entry.key)) continue;
        seen.add(entry.key);
        sum.add(entry);
        onEntry(entry);
      }
      cursor = next;
    } while (cursor !== '0');
    const found = sum.info(table);
    if (found.version !== meta.version)
      throw new LookupVersionBroken(`${table} ${meta.version}: ${found.rows} rows instead of ${meta.rows}, or changed`);
  };

  const isWhole = async (table: ImportTable, info: VersionInfo): Promise<boolean> => {
    try {
      await read(table, info, () => undefined);
      return (await redis.exists(metaKey(table, info.version))) === 1;
    } catch (error) {
      if (error instanceof LookupVersionBroken) return false;
      throw error;
    }
  };

  return {
    channel,
    read,
    current: async (table) => {
      const version = await redis.get(currentKey(table));
      if (version === null) return undefined;
      const meta = await redis.hgetall(metaKey(table, version));
      if (meta.rows === undefined) return undefined;
      return {
        version,
        rows: Number(meta.rows),
        checksum: meta.checksum ?? '',
        loadedAtMs: Number(meta.loadedAt),
        confirmedAtMs: Number(meta.confirmedAt),
        source: meta.source ?? '',
      };
    },
    entries: async (table, version, keys) => {
      const found: (Entry | undefined)[] = [];
      for (let i = 0; i < keys.length; i += CHUNK) {
        const chunk = keys.slice(i, i + CHUNK);
        const values = await redis.hmget(rowsKey(table, version), ...chunk);
        for (const [n, json] of values.entries())
          found.push(json === null ? undefined : { key: chunk[n] as string, json });
      }
      return found;
    },
    write: async (table, info, entries, source, lock, nowMs) => {
      const inForce = (await redis.get(currentKey(table))) === info.version;
      // The version in force is written anew only where Redis has lost a part of it.
      if (inForce && (await isWhole(table, info))) return;
      const rows = rowsKey(table, info.version);
      const meta = metaKey(table, info.version);
      // Whatever a dead load left under this name is not trusted.
      orLost(table, await redis.eval(EMPTY, 3, lockKey(table), rows, meta, lock));
      const put = async (hash: string, fields: readonly (string | number)[]) =>
        orLost(table, await redis.eval(PUT, 2, lockKey(table), hash, lock, UNFINISHED_TTL_S, ...fields));
      for (let i = 0; i < entries.length; i += CHUNK)
        await put(
          rows,
          entries.slice(i, i + CHUNK).flatMap((entry) => [entry.key, entry.json]),
        );
      await put(
        meta,
        Object.entries({
          rows: info.rows,
          checksum: info.checksum,
          loadedAt: nowMs,
          confirmedAt: nowMs,
          source,
        }).flat(),
      );
      await read(table, info, () => undefined);
    },
    switchTo: async (table, info, lock, nowMs) => {
      const answer = await redis.eval(
        SWITCH,
        4,
        currentKey(table),
        lockKey(table),
        rowsKey(table, info.version),
        metaKey(table, info.version),
        info.version,
        lock,
        info.rows,
        nowMs,
        REPLACED_TTL_S,
        channel,
        table,
        key(table, ''),
        key(table, 'meta', ''),
      );
      orLost(table, answer);
      if (answer !== 'ok') throw new LookupVersionBroken(`${table} ${info.version} is not whole in Redis`);
    },
    lock: async (table, token, ttlMs) => (await redis.set(lockKey(table), token, 'PX', ttlMs, 'NX')) === 'OK',
    renew: async (table, token, ttlMs) => (await redis.eval(RENEW, 1, lockKey(table), token, ttlMs)) === 1,
    unlock: async (table, token) => {
      await redis.eval(UNLOCK, 1, lockKey(table), token);
    },
    lastRun: async (table) => {
      const { tickMs, startedAtMs, endedAtMs, refused } = await redis.hgetall(runKey(table));
      if (tickMs === undefined) return undefined;
      return {
        ...{ tickMs: Number(tickMs), startedAtMs: Number(startedAtMs), endedAtMs: Number(endedAtMs) },
        refused: refused === '1',
      };
    },
    recordRun: async (table, { tickMs, startedAtMs, endedAtMs, refused }) => {
      await redis.hset(runKey(table), { tickMs, startedAtMs, endedAtMs, refused: Number(refused) });
    },
    retrying: async (table) => {
      const tickMs = await redis.get(key(table, 'retrying'));
      return tickMs === null ? undefined : Number(tickMs);
    },
    recordRetry: async (table, tickMs, ttlMs) => {
      await redis.set(key(table, 'retrying'), tickMs, 'PX', ttlMs);
    },
  };
}

function orLost(table: ImportTable, answer: unknown): void {
  if (answer === 'lock') throw new ImportLockLost(`${table}: another import took over`);
}
