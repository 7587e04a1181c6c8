// Dispatch's views and the ledger's rows as the desk reads them: plain reads, since whoever asks has looked whether they are whole.
import type { Redis } from 'ioredis';
import type { EpisodeEvent } from '../domain/events.js';
import type { NotificationRow } from '../domain/ledger.js';
import type { EpisodeView } from '../domain/notification.js';
import type { Silence } from '../domain/silence.js';
import { parseRow } from './ledger-rows.js';

const SCANNED_TOGETHER = 1_000;
/** Notifications that a person has to look at, at most. */
const STUCK_MOST = 1_000;

export interface DeskReads {
  /** Ids, the oldest first. */
  openEpisodes(limit: number): Promise<readonly string[]>;
  /** Of those that are kept, open or closed: whose id begins so. */
  episodesLike(prefix: string): Promise<readonly string[]>;
  episode(episodeId: string): Promise<EpisodeView | undefined>;
  event(episodeId: string, eventId: string): Promise<EpisodeEvent | undefined>;
  /** Those that have not ended. */
  silences(): Promise<readonly Silence[]>;
  notification(notificationId: string): Promise<NotificationRow | undefined>;
  /** HELD and DEAD ones. */
  stuck(): Promise<readonly NotificationRow[]>;
}

/** `redis` is a `command` connection, not closed here; `prefix` is REDIS_PREFIX. */
export function createDeskReads(redis: Redis, prefix: string): DeskReads {
  const episodeKey = (id: string) => `${prefix}:episode:${id}`;
  const notification = async (id: string): Promise<NotificationRow | undefined> => {
    const fields = await redis.hgetall(`${prefix}:notif:${id}`);
    return parseRow([0, Object.entries(fields).flat()]);
  };
  const field = async <T>(episodeId: string, name: string): Promise<T | undefined> => {
    const text = await redis.hget(episodeKey(episodeId), name);
    return text === null ? undefined : (JSON.parse(text) as T);
  };
  return {
    openEpisodes: (limit) => redis.zrange(`${prefix}:episodes:open`, 0, limit - 1),
    episodesLike: async (start) => {
      const before = episodeKey('');
      const found = new Set<string>();
      let cursor = '0';
      do {
        const [next, keys] = await redis.scan(
          ...([cursor, 'MATCH', `${globEscaped(before)}${start}*`, 'COUNT', SCANNED_TOGETHER] as const),
        );
        for (const key of keys) found.add(key.slice(before.length));
        cursor = next;
      } while (cursor !== '0');
      return [...found].sort();
    },
    episode: (episodeId) => field<EpisodeView>(episodeId, 'view'),
    event: (episodeId, eventId) => field<EpisodeEvent>(episodeId, `e:${eventId}`),
    silences: async () => (await redis.hvals(`${prefix}:silences`)).map((text) => JSON.parse(text) as Silence),
    notification,
    stuck: async () => {
      const ids = await redis.zrange(`${prefix}:notif:trouble`, 0, STUCK_MOST - 1);
      const rows = await Promise.all(ids.map(notification));
      return rows.flatMap((row) => (row && (row.state === 'HELD' || row.state === 'DEAD') ? [row] : []));
    },
  };
}

function globEscaped(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&');
}
