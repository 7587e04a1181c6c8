// What the message of a row is about, from the ledger's events.
import type { EpisodeEvent } from '../src/domain/events.js';
import type { NotificationRow } from '../src/domain/ledger.js';
import { eventContent } from '../src/domain/message.js';
import type { ListedAlert, MessageContent } from '../src/domain/messages/content.js';
import { type DeliverParts, readAll } from './deliver-parts.js';

export interface RowContent {
  readonly content: MessageContent;
  /** Those that it tells of. */
  readonly events: readonly EpisodeEvent[];
}

/** Undefined: an event is not known (any more). */
export async function contentOf(parts: DeliverParts, row: NotificationRow): Promise<RowContent | undefined> {
  const { kind, trigger, n } = row;
  if (kind === 'technical') return { content: { kind, trigger, n }, events: [] };
  if (kind === 'heartbeat') return { content: { kind, trigger }, events: [] };
  if (kind === 'digest') {
    // At the fallback topic: what the digest stands for that it is sent for.
    const of = row.eventId === row.notificationId ? row : await parts.ledger.read(row.eventId);
    const alerts = await listedAlerts(parts, await readAll(parts, of?.covers ?? []));
    return alerts.length === 0 ? undefined : { content: { kind, alerts }, events: alerts.map(({ event }) => event) };
  }
  const listed = await listedAlert(parts, row);
  if (!listed) return undefined;
  const { event } = listed;
  if (kind === 'summary') return { content: { kind, alerts: [listed] }, events: [event] };
  if (row.covers.length === 0) return { content: eventContent(kind, event), events: [event] };
  const covered = await listedAlerts(parts, await readAll(parts, row.covers));
  if (covered.length === 0) return { content: eventContent(kind, event), events: [event] };
  covered.sort((one, other) => one.event.index - other.event.index);
  return {
    content: { kind: 'raised-and-recovered', covered, resolved: event },
    events: [...covered.map((one) => one.event), event],
  };
}

/** How it stands in a list. */
export async function listedAlert(parts: DeliverParts, row: NotificationRow): Promise<ListedAlert | undefined> {
  const { kind } = row;
  if (kind === 'digest' || kind === 'technical' || kind === 'heartbeat') return undefined;
  const event = await parts.ledger.event(row.episodeId, row.eventId);
  return event && { kind: kind === 'summary' ? 'raised' : kind, event };
}

async function listedAlerts(parts: DeliverParts, rows: readonly NotificationRow[]): Promise<ListedAlert[]> {
  const listed = await Promise.all(rows.map((row) => listedAlert(parts, row)));
  return listed.filter((one): one is ListedAlert => one !== undefined);
}
