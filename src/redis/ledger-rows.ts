// Rows as Redis keeps them: text in, text out.
import type { NewNotification, NotificationRow, NotificationState } from '../domain/ledger.js';
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

/** 1 where somebody has to be told at once: the age of the oldest of these is watched. What we say of ourselves is no such row. */
export function urgent({ severity, kind }: Pick<NewNotification, 'severity' | 'kind'>): 0 | 1 {
  return severity === 'high' && kind !== 'technical' ? 1 : 0;
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
