// Rows and views as Redis keeps them: text in, text out.
import type { EpisodeEvent } from '../domain/events.js';
import type { NewNotification, NotificationRow, NotificationState } from '../domain/ledger.js';
import { type Decision, type EpisodeView, NO_EPISODE, type Told } from '../domain/notification.js';
import { parseMicros } from '../domain/time.js';
import { FINISHED_KEPT_MS } from './ledger-keys.js';
import type { ScriptAnswer } from './script-runner.js';

type Fields = Readonly<Record<string, string>>;

/** Names and values, alternating. */
export function rowFields(row: NewNotification): string[] {
  return [
    ...['notificationId', row.notificationId, 'trigger', row.trigger, 'eventId', row.eventId],
    ...['episodeId', row.episodeId, 'kind', row.kind, 'n', String(row.n), 'destination', row.destination],
    ...['severity', row.severity, 'fallbackFor', row.fallbackFor ?? '', 'after', JSON.stringify(row.after)],
    ...['logPartition', String(row.logPartition), 'logOffset', String(row.logOffset)],
  ];
}

/** Of the answer of script `read`; undefined where there is no row. */
export function parseRow(answer: ScriptAnswer): NotificationRow | undefined {
  const [now, list] = answer as readonly [number, readonly string[]];
  if (list.length === 0) return undefined;
  const f: Record<string, string> = {};
  for (let i = 0; i < list.length; i += 2) f[list[i] ?? ''] = list[i + 1] ?? '';
  return {
    notificationId: text(f, 'notificationId'),
    trigger: text(f, 'trigger'),
    eventId: text(f, 'eventId'),
    episodeId: text(f, 'episodeId'),
    kind: text(f, 'kind') as NotificationRow['kind'],
    n: number(f, 'n'),
    destination: text(f, 'destination'),
    severity: text(f, 'severity') as NotificationRow['severity'],
    after: JSON.parse(text(f, 'after')) as string[],
    logPartition: number(f, 'logPartition'),
    logOffset: number(f, 'logOffset'),
    state: text(f, 'state') as NotificationState,
    token: f.token ?? '',
    leaseUntil: Number(f.leaseUntil ?? 0),
    due: number(f, 'due'),
    createdAt: number(f, 'createdAt'),
    attempt: Number(f.attempt ?? 0),
    failures: Number(f.failures ?? 0),
    generation: number(f, 'generation'),
    possibleRepeat: f.possibleRepeat === '1',
    safe: f.safe === '1',
    reason: f.reason ?? '',
    coveredBy: f.coveredBy ?? '',
    covers: JSON.parse(f.covers || '[]') as string[],
    coversRecorded: f.coversRecorded === '1',
    fallback: f.fallback ?? '',
    fallbackFor: f.fallbackFor ?? '',
    now,
  };
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (value === undefined) throw new Error(`a row of the ledger has no ${name}`);
  return value;
}

function number(fields: Fields, name: string): number {
  return Number(text(fields, name));
}

/** Of the answer of script `view`. */
export function parseView(answer: ScriptAnswer): { view: EpisodeView; stored: Decision | null; now: number } {
  const [version, offset, told, stored, now] = answer as readonly (string | null)[];
  return {
    view: {
      ...NO_EPISODE,
      version: Number(version ?? 0),
      offset: Number(offset ?? -1),
      told: JSON.parse(told ?? '[]') as Told[],
    },
    stored: stored ? (JSON.parse(stored) as Decision) : null,
    now: Number(now),
  };
}

/** Arguments of `fold` and `restoreFold` after the epoch. */
export function foldArgs(input: {
  readonly event: EpisodeEvent;
  readonly offset: number;
  readonly version: number;
  readonly decision: Decision;
  readonly next: EpisodeView;
}): (string | number)[] {
  const { event } = input;
  return [
    event.eventId,
    input.version,
    input.offset,
    JSON.stringify(event),
    JSON.stringify(input.decision),
    JSON.stringify(input.next.told),
    event.episodeId,
    event.kind === 'resolved' ? '' : Math.floor((parseMicros(event.since) ?? 0) / 1000),
    FINISHED_KEPT_MS,
  ];
}
