// The notification ledger: the working view of what is to be sent and what became of it. Its truth is alert-deliveries; Redis holds it.

import type { Alarms, Conditions, OpenAlarm } from './alarm-book.js';
import type { AlarmId } from './alarms.js';
import type { NotificationKind, Severity } from './events.js';
import type { Views, ViewsRestore } from './views.js';

/** SENT, CANCELLED and DEAD are settled: they never change by themselves. COVERED: another row stands for it, and it shares that one's end. */
export type NotificationState = 'PENDING' | 'SENDING' | 'HELD' | 'COVERED' | 'SENT' | 'CANCELLED' | 'DEAD';

export function isSettled(state: NotificationState): boolean {
  return state === 'SENT' || state === 'CANCELLED' || state === 'DEAD';
}

/** Reason of a row that a rebuild found too old to be sent without a person: HELD, and driven by nobody. */
export const TOO_OLD = 'too-old';

/** What makes a row: everything that deliver needs besides the event itself. */
export interface NewNotification {
  readonly notificationId: string;
  readonly trigger: string;
  readonly eventId: string;
  readonly episodeId: string;
  readonly kind: NotificationKind;
  readonly n: number;
  readonly destination: string;
  readonly severity: Severity;
  /** The row whose topic refuses everything and that this one stands in for at the fallback topic. */
  readonly fallbackFor?: string;
  /** Those that must be settled first. */
  readonly after: readonly string[];
  /** Where its decision, later its last attempt, lies on alert-deliveries: nothing newer about it lies before that. */
  readonly logPartition: number;
  readonly logOffset: number;
}

/** A row. Times are milliseconds by Redis's clock, the one that all replicas share. */
export interface NotificationRow extends NewNotification {
  readonly state: NotificationState;
  /** Names the claim that is sending it. */
  readonly token: string;
  readonly leaseUntil: number;
  readonly due: number;
  readonly createdAt: number;
  /** Numbers every claim. */
  readonly attempt: number;
  /** Failed attempts that count (throttled ones don't): the backoff grows with it. */
  readonly failures: number;
  /** Suffix of the live job's id. */
  readonly generation: number;
  /** An earlier attempt may have been accepted: the next message says so. */
  readonly possibleRepeat: boolean;
  /** The first message was refused for its content: send the plain one. */
  readonly safe: boolean;
  readonly reason: string;
  /** The row that stands for this one while it is COVERED, and that stood for it afterwards; '' otherwise. */
  readonly coveredBy: string;
  /** Those that this row stands for. */
  readonly covers: readonly string[];
  /** That it stands for them is on alert-deliveries. */
  readonly coversRecorded: boolean;
  /** Its row at the fallback topic; '' where there is none. */
  readonly fallback: string;
  readonly fallbackFor: string;
  /** Redis's clock when the row was read. */
  readonly now: number;
}

/** How a claim ends. */
export interface Settlement {
  readonly state: Exclude<NotificationState, 'SENDING' | 'COVERED'>;
  readonly reason: string;
  /** For PENDING and HELD: when to go on. */
  readonly dueInMs?: number;
  readonly countFailure?: boolean;
  readonly possibleRepeat?: boolean;
  readonly safe?: boolean;
}

export interface OpenedRow {
  readonly state: NotificationState;
  readonly generation: number;
}

export interface DueRow extends Pick<NewNotification, 'notificationId' | 'severity' | 'kind'> {
  readonly generation: number;
  /** Of a row that is COVERED; '' of all others. */
  readonly coveredBy: string;
}

/** A row as it was seen: it is covered only if nothing has happened to it since. */
export interface CoverClaim {
  readonly notificationId: string;
  readonly attempt: number;
}

/** `exists`: a new row's id is taken, or the one that is there is being sent or settled. `none`: all had moved on. */
export type CoverResult =
  | { readonly outcome: 'covered'; readonly covered: readonly string[] }
  | { readonly outcome: 'exists' | 'none' };

/** Thrown by every method of the ledger when Redis is not the one that it was built in, or lost its epoch. */
export class LedgerLostError extends Error {
  override readonly name = 'LedgerLostError';
  readonly code = 'LEDGER_LOST';
}

/** What of the ledger is about rows. */
export interface NotificationLedger {
  /** Creates the row, or answers with the one that is there. */
  open(row: NewNotification): Promise<OpenedRow>;
  read(notificationId: string): Promise<NotificationRow | undefined>;
  /** PENDING or HELD → SENDING under `token`. Undefined: somebody else was faster. */
  claim(notificationId: string, token: string, leaseMs: number): Promise<{ readonly attempt: number } | undefined>;
  /** SENDING under `oldToken` with its lease over → SENDING under `token`, to find out what became of it. */
  takeOver(notificationId: string, oldToken: string, token: string, leaseMs: number): Promise<boolean>;
  /** Still ours? Then notes where the attempt lies. */
  confirm(notificationId: string, token: string, logOffset: number): Promise<boolean>;
  extend(notificationId: string, token: string, leaseMs: number): Promise<boolean>;
  /** Ends our claim. False: it wasn't ours any more. */
  settle(notificationId: string, token: string, settlement: Settlement): Promise<boolean>;
  /** PENDING or HELD → another state without a claim. False: it was in neither. */
  move(notificationId: string, settlement: Settlement): Promise<boolean>;
  /** PENDING and HELD rows → COVERED by a new row, or by one that is there and not being sent. What it stands for has to be recorded next. */
  cover(
    by: { readonly create: NewNotification } | { readonly into: string },
    rows: readonly CoverClaim[],
  ): Promise<CoverResult>;
  /** The records stand; `decision` is where a new row's own lies. False: it has come to stand for more. */
  coversRecorded(
    notificationId: string,
    covers: readonly string[],
    decision?: { readonly partition: number; readonly offset: number },
  ): Promise<boolean>;
  /** COVERED by that row → what became of it; PENDING: by itself again. Answers how many were. */
  settleCovered(
    by: string,
    notificationIds: readonly string[],
    state: Exclude<NotificationState, 'SENDING' | 'COVERED' | 'HELD'>,
    reason: string,
  ): Promise<number>;
  /** DEAD or HELD → PENDING, with a new job's generation; those that it stood for and that shared its end stand behind it again. */
  redrive(row: NotificationRow, reason: string): Promise<number | undefined>;
  /** Notes which row stands in at the fallback topic. */
  fallenBack(notificationId: string, fallback: string): Promise<void>;
  /** Rows that a person has to look at, HELD and DEAD, the oldest first. */
  troubled(limit: number): Promise<readonly NotificationRow[]>;
  /** Age of the oldest row of high severity that nobody has been told of, ms. */
  oldestUnsentMs(): Promise<number | undefined>;
  /** Rows that should have moved by now. */
  overdue(limit: number): Promise<readonly DueRow[]>;
  /** A new job id for an open row, if its generation is still this one; undefined otherwise. */
  bump(notificationId: string, generation: number): Promise<number | undefined>;
  /** Looked after: not overdue again for a while. */
  postpone(notificationIds: readonly string[], ms: number): Promise<void>;
  /** Open and dead rows by state, of the first thousand. */
  openCounts(): Promise<Readonly<Partial<Record<NotificationState, number>>>>;
}

/** Every method is one script that first checks the epoch, and may be repeated. */
export interface Ledger extends NotificationLedger, Views, Conditions, Alarms {}

/** A restored row's state comes from alert-deliveries. */
export interface RestoredNotification extends NewNotification {
  readonly state: NotificationState;
  readonly attempt: number;
  readonly possibleRepeat: boolean;
  readonly reason: string;
  readonly coveredBy: string;
  readonly covers: readonly string[];
  /** False: stays as it is until a person decides. */
  readonly driven: boolean;
}

/** Writes of the one replica that rebuilds. Each throws LedgerLostError when another has begun since. */
export interface LedgerRebuild extends ViewsRestore {
  /** An attempt without outcome gets a lease of `leaseMs` from now. A row that is SENT stays so. */
  restore(row: RestoredNotification, leaseMs: number): Promise<void>;
  /** One whose end is not on alert-deliveries. */
  restoreAlarm(alarm: AlarmId, state: OpenAlarm): Promise<void>;
  /** Says that the rebuilder lives: to be called every few seconds. */
  renew(): Promise<void>;
  /** Given up: the next one may begin at once. */
  abandon(): Promise<void>;
  /** The ledger is whole: everybody may go on. */
  finish(): Promise<void>;
}

/** Which Redis the ledger was built in: the key `epoch` holds its run id and a token. */
export interface LedgerEpoch {
  /** `ready`: the ledger can be used. `rebuilding`: somebody is at it. `lost`: it has to be rebuilt. */
  attach(): Promise<'ready' | 'rebuilding' | 'lost'>;
  /** Undefined where another replica was faster. From here on nobody can write to the ledger but through the result. */
  rebuild(): Promise<LedgerRebuild | undefined>;
}
