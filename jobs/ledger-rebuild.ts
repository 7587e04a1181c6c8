// Rebuilds the ledger from Kafka: views, decisions, timers and outcomes are repeated from alert-deliveries, never decided again; what the events say comes from doctors-queue.

import type { OpenAlarm } from '../src/domain/alarm-book.js';
import { type AlarmId, parseAlarmTrigger } from '../src/domain/alarms.js';
import { decodeDelivery, foldDelivery, NO_HISTORY, type RecordedFold } from '../src/domain/delivery.js';
import { decodeDoctorsQueue } from '../src/domain/doctors-queue.js';
import type { DeliveryRecord, EpisodeEvent, SilenceEvent } from '../src/domain/events.js';
import type { LedgerRebuild } from '../src/domain/ledger.js';
import type { KeyView, Send, Timer } from '../src/domain/notification.js';
import type { Clock, Logger, PartitionReader, ReceivedRecord } from '../src/domain/ports.js';
import type { FlappingKey, RestoredEpisode, StoredDecision } from '../src/domain/views.js';
import { type KnownNotification, restoredRows } from './ledger-restore.js';

const HOUR_MS = 3_600_000;
/** How far back both topics are read: an episode of which nothing was decided since then is not known afterwards. */
export const REBUILD_WINDOW_MS = 168 * HOUR_MS;
const WRITES_TOGETHER = 200;

export interface RebuildParts {
  readonly reader: PartitionReader;
  readonly doctorsQueue: string;
  readonly alertDeliveries: string;
  /** By partition, the first offset at or after that time; a partition's end where there is none. */
  readonly offsetsAt: (topic: string, ms: number) => Promise<ReadonlyMap<number, number>>;
  /** For attempts without an outcome: their sender may still be alive. */
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What was read of alert-deliveries. */
interface Recorded {
  readonly known: Map<string, KnownNotification>;
  /** By id of event or timer: the first decision on it counts. */
  readonly decisions: Map<string, StoredDecision>;
  readonly sends: Map<string, Send>;
  readonly episodes: Map<string, Episode>;
  readonly keys: Map<string, { readonly key: FlappingKey; readonly view: KeyView }>;
  /** By their triggers. */
  readonly alarms: Map<string, AlarmId & OpenAlarm>;
}

interface Episode extends Pick<RestoredEpisode, 'view'> {
  readonly decisions: Map<string, StoredDecision>;
  readonly events: EpisodeEvent[];
}

/** Throws when a topic can't be read or another replica has begun to rebuild; nothing is usable before it has resolved. */
export async function rebuildLedger(parts: RebuildParts, into: LedgerRebuild, signal: AbortSignal): Promise<void> {
  const since = parts.clock.nowMs() - REBUILD_WINDOW_MS;
  const recorded: Recorded = {
    ...{ known: new Map(), decisions: new Map(), sends: new Map(), episodes: new Map(), keys: new Map() },
    alarms: new Map(),
  };
  await readAll(parts, parts.alertDeliveries, since, (received, partition) => {
    const record = decodeDelivery(received.value);
    // Nobody waits for an old one: the next comes within a minute.
    if (record.kind === 'heartbeat') return;
    noteFold(recorded, record);
    noteAlarm(recorded, record);
    noteHistory(recorded.known, record, partition, received.offset);
  });
  const silences: { readonly event: SilenceEvent; readonly offset: number }[] = [];
  let events = 0;
  await readAll(parts, parts.doctorsQueue, since, ({ value, offset }) => {
    const decoded = decodeDoctorsQueue(value);
    // What is not decided yet dispatch has not passed, and will decide.
    if ((decoded.type !== 'episode' && decoded.type !== 'operator') || !recorded.decisions.has(decoded.event.eventId))
      return;
    events += 1;
    const { event } = decoded;
    if (event.kind === 'silenced' || event.kind === 'silence-ended') silences.push({ event, offset });
    else if (decoded.type === 'episode') recorded.episodes.get(event.episodeId)?.events.push(decoded.event);
  });

  const writeAll = async <T>(all: Iterable<T>, write: (one: T) => Promise<void>): Promise<void> => {
    for (const together of chunks([...all])) {
      if (signal.aborted) return;
      await Promise.all(together.map(write));
    }
  };
  await into.clearViews();
  await writeAll(recorded.episodes, ([episodeId, { view, decisions, events: its }]) =>
    into.restoreEpisode({ episodeId, view, decisions: [...decisions], events: its }),
  );
  await writeAll(recorded.keys.values(), ({ key, view }) => into.restoreKey(key, view));
  // One after the other: an end comes after its beginning.
  for (const { event, offset } of silences) {
    const stored = recorded.decisions.get(event.eventId);
    if (stored && !signal.aborted) await into.restoreSilence(event, offset, stored.decision);
  }
  const timers = pendingTimers(recorded);
  await writeAll(timers, ({ timer, silencedBy }) => into.restoreTimer(timer, silencedBy));
  await writeAll(recorded.alarms.values(), ({ name, subject, ...state }) =>
    into.restoreAlarm({ name, subject }, state),
  );
  const rows = restoredRows(recorded.known, { sends: recorded.sends, nowMs: parts.clock.nowMs() });
  await writeAll(rows, (row) => into.restore(row, parts.leaseMs));
  const tooOld = rows.filter((row) => !row.driven).length;
  const counts = { events, notifications: rows.length, timers: timers.length, tooOld };
  parts.log.warn('ledger.rebuild.read', counts);
}

async function readAll(
  parts: RebuildParts,
  topic: string,
  sinceMs: number,
  onRecord: (record: ReceivedRecord, partition: number) => void,
): Promise<void> {
  for (const [partition, from] of await parts.offsetsAt(topic, sinceMs))
    await parts.reader.read(topic, partition, { from }, (record) => onRecord(record, partition));
}

function noteFold({ decisions, sends, episodes, keys }: Recorded, record: DeliveryRecord): void {
  const fold = record.fold as RecordedFold | undefined;
  if (!fold) return;
  const { id, stored, view, key } = fold;
  for (const send of stored.decision.send) sends.set(send.notificationId, send);
  if (!decisions.has(id)) decisions.set(id, stored);
  if (!view) return;
  const have = episodes.get(record.episodeId);
  const episode = { view, decisions: have?.decisions ?? new Map<string, StoredDecision>(), events: have?.events ?? [] };
  if (!episode.decisions.has(id)) episode.decisions.set(id, stored);
  // A repeated record says what its view was then: the newest counts.
  episodes.set(record.episodeId, have && have.view.version >= view.version ? { ...episode, view: have.view } : episode);
  if (!key) return;
  const { patientId, attribute, direction } = view;
  const name = JSON.stringify([patientId, attribute, direction]);
  if ((keys.get(name)?.view.version ?? -1) < key.version)
    keys.set(name, { key: { patientId, attribute, direction }, view: key });
}

/** Open until its end is decided. */
function noteAlarm({ alarms }: Recorded, { kind, trigger, n, state }: DeliveryRecord): void {
  if (kind !== 'technical' || (state !== 'decided' && state !== 'suppressed')) return;
  const alarm = parseAlarmTrigger(trigger);
  if (n > 0) alarms.delete(trigger);
  else if (alarm) alarms.set(trigger, { ...alarm, state: 'open' });
}

function noteHistory(
  known: Map<string, KnownNotification>,
  record: DeliveryRecord,
  partition: number,
  offset: number,
): void {
  if (record.state === 'suppressed' || isTimer(record)) return;
  const have = known.get(record.notificationId) ?? { decided: record, partition, offset, history: NO_HISTORY };
  known.set(record.notificationId, {
    ...have,
    offset: record.state === 'attempt' ? offset : have.offset,
    history: foldDelivery(have.history, record),
  });
}

/** `scheduled` also says that a notification is covered or driven again. */
function isTimer({ state, timer }: DeliveryRecord): boolean {
  return state === 'scheduled' && timer !== null;
}

/** Those that nothing was decided about yet, with their original due time. */
function pendingTimers({ decisions }: Recorded): { readonly timer: Timer; readonly silencedBy: string | null }[] {
  return [...decisions.values()].flatMap(({ decision, silencedBy }) =>
    decision.timers.filter(({ timerId }) => !decisions.has(timerId)).map((timer) => ({ timer, silencedBy })),
  );
}

function* chunks<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let i = 0; i < all.length; i += WRITES_TOGETHER) yield all.slice(i, i + WRITES_TOGETHER);
}
