// The desk of the alerts: answers from the views and from alert-deliveries, and what people do, written as events on doctors-queue.
import {
  type AlertDesk,
  type Asker,
  DeskNotReady,
  DeskRefused,
  type Done,
  type NotificationNow,
  type OpenAlert,
  type SilenceInForce,
} from '../src/domain/alert-desk.js';
import type { OperatorEvent, Severity, SilenceMatcher } from '../src/domain/events.js';
import { hashId, reference } from '../src/domain/identity.js';
import type { NotificationRow } from '../src/domain/ledger.js';
import type { EpisodeView } from '../src/domain/notification.js';
import { operatorEventId, operatorKey, silenceTrigger } from '../src/domain/operator-events.js';
import type { Policy } from '../src/domain/policy.js';
import type { Clock, OutRecord, PlainProducer } from '../src/domain/ports.js';
import { SEVERITY_RANK } from '../src/domain/severity.js';
import { type Silence, silenceEndMs } from '../src/domain/silence.js';
import { matcherInWords } from '../src/domain/story.js';
import { formatMicros, isoOfMs, microsOfMs, parseMicros } from '../src/domain/time.js';
import type { DeskReads } from '../src/redis/desk-views.js';
import { explainAlert, explainRecipient, type WhyParts } from './alert-why.js';

/** More open alerts than a person reads: the list says that there are more. */
const LISTED_MOST = 500;
/** How long an answer waits for dispatch to take what was written. */
const IN_FORCE_WITHIN_MS = 5_000;
const LOOK_EVERY_MS = 50;
const REFERENCE = /^[a-z2-7]{6,26}$/i;
const ID_CHARACTERS = 26;

/** The views, and the rows as the desk changes them. */
export interface DeskViews extends DeskReads {
  /** Are they whole? */
  attach(): Promise<'ready' | 'rebuilding' | 'lost'>;
  /** False: it is neither HELD nor DEAD. */
  redrive(notificationId: string, by: string): Promise<boolean>;
}

/** `close` ends its producer. */
export interface AlertDeskInHand extends AlertDesk {
  close(): Promise<void>;
}

export interface DeskParts extends Omit<WhyParts, 'find' | 'describe'> {
  readonly views: DeskViews;
  readonly plainProducer: () => Promise<PlainProducer>;
  /** KAFKA_PREFIX. */
  readonly kafkaPrefix: string;
  readonly policy: () => Policy;
  readonly clock: Clock;
}

export function createAlertDesk(parts: DeskParts): AlertDeskInHand {
  const { views, clock, kafkaPrefix } = parts;
  let producer: Promise<PlainProducer> | undefined;

  const send = async (record: OutRecord): Promise<void> => {
    producer ??= parts.plainProducer().catch((error: unknown) => {
      producer = undefined;
      throw error;
    });
    await (await producer).send([record]);
  };
  const now = () => isoOfMs(clock.nowMs());

  /** Before anything is answered or done: who looks at a patient is on record, or doesn't look. */
  const audit = (asker: Asker, action: string, about: Readonly<Record<string, unknown>>) =>
    send({
      topic: `${kafkaPrefix}access-audit`,
      partition: 0,
      key: asker.user,
      value: JSON.stringify({
        ...{ v: 1, at: now(), user: asker.user, action: `alerts-${action}`, patientId: null, via: asker.via },
        ...about,
      }),
    });
  const write = (event: OperatorEvent) =>
    send({ topic: `${kafkaPrefix}doctors-queue`, key: operatorKey(event), value: JSON.stringify(event) });

  const ready = async (): Promise<void> => {
    if ((await views.attach()) !== 'ready')
      throw new DeskNotReady('the views of the alerts are being rebuilt: ask again');
  };

  /** Undefined: the views don't know it (any more). */
  const find = async (alert: string): Promise<{ episodeId: string; view: EpisodeView } | undefined> => {
    const id = alert.trim().toLowerCase();
    if (!REFERENCE.test(id)) throw new DeskRefused('no-such-alert', `${alert} is no reference and no episode id`);
    const ids = id.length === ID_CHARACTERS ? [id] : await views.episodesLike(id);
    if (ids.length > 1)
      throw new DeskRefused('several-alerts', `${alert} begins ${ids.length} alerts: say which, ${ids.join(', ')}`);
    const [episodeId] = ids;
    const view = episodeId === undefined ? undefined : await views.episode(episodeId);
    return episodeId === undefined || !view || view.status === 'none' ? undefined : { episodeId, view };
  };
  const known = async (alert: string) => {
    const found = await find(alert);
    if (found) return found;
    throw new DeskRefused('no-such-alert', `no alert ${alert} is in the views; alerts why asks the record too`);
  };

  const inForce = async (holds: () => Promise<boolean>): Promise<boolean> => {
    const untilMs = clock.monotonicMs() + IN_FORCE_WITHIN_MS;
    while (!(await holds())) {
      if (clock.monotonicMs() > untilMs) return false;
      await clock.sleep(LOOK_EVERY_MS);
    }
    return true;
  };
  const whyParts: WhyParts = { ...parts, find, describe: openAlertOf };

  return {
    list: async (asker, filter) => {
      await audit(asker, 'list', { patientId: filter.patientId ?? null, ward: filter.ward ?? null });
      await ready();
      const ids = await views.openEpisodes(LISTED_MOST + 1);
      const open = await Promise.all(
        ids.slice(0, LISTED_MOST).map(async (id) => {
          const view = await views.episode(id);
          return view && view.status === 'open' ? [openAlertOf(id, view)] : [];
        }),
      );
      const fits = (alert: OpenAlert) =>
        (filter.ward === undefined || alert.ward === filter.ward) &&
        (filter.patientId === undefined || alert.patientId === filter.patientId) &&
        (filter.severity === undefined || alert.severity === filter.severity);
      return {
        alerts: open
          .flat()
          .filter(fits)
          .sort((a, b) => SEVERITY_RANK[b.severity] - SEVERITY_RANK[a.severity] || (a.since < b.since ? -1 : 1)),
        more: ids.length > LISTED_MOST,
        silences: (await views.silences()).map((silence) => silenceNow(silence, parts.policy())),
        stuck: (await views.stuck()).map(notificationNow),
      };
    },
    show: async (asker, alert) => {
      await ready();
      const { episodeId, view } = await known(alert);
      await audit(asker, 'show', { patientId: view.patientId, episodeId });
      const rows = await Promise.all(view.told.map(({ notificationId }) => views.notification(notificationId)));
      return {
        alert: openAlertOf(episodeId, view),
        event: (await views.event(episodeId, view.lastEventId)) ?? null,
        notifications: rows.flatMap((row) => (row ? [notificationNow(row)] : [])),
      };
    },
    // The record answers these two; views that are being rebuilt only describe less.
    why: async (asker, alert) => {
      const found = await find(alert);
      await audit(asker, 'why', { patientId: found?.view.patientId ?? null, alert: found?.episodeId ?? alert });
      return explainAlert(whyParts, alert, found);
    },
    whyRecipient: async (asker, question) => {
      await audit(asker, 'why', question as unknown as Readonly<Record<string, unknown>>);
      return explainRecipient(whyParts, question);
    },
    acknowledge: async (asker, { alert, note, forMs }) => {
      await ready();
      const { episodeId, view } = await known(alert);
      if (view.status !== 'open')
        throw new DeskRefused('not-open', `${reference(episodeId)} has ended: there is nothing to acknowledge`);
      const mostMs = parts.policy().acknowledgeExpiryMs[view.severity];
      if (forMs !== undefined && forMs > mostMs)
        throw new DeskRefused(
          'too-long',
          `the policy lets a ${view.severity} alert be acknowledged for ${minutes(mostMs)}`,
        );
      await audit(asker, 'ack', { patientId: view.patientId, episodeId });
      const at = now();
      const event: OperatorEvent = {
        ...{ v: 1, eventId: operatorEventId(episodeId, 'acknowledged', asker.user, at), kind: 'acknowledged' },
        ...{ by: asker.user, at, episodeId, patientId: view.patientId, note },
        until: forMs === undefined ? null : later(at, forMs),
      };
      await write(event);
      return done(event, await inForce(async () => (await views.episode(episodeId))?.ack?.eventId === event.eventId));
    },
    silence: async (asker, { matcher, forMs, reason }) => {
      const { silenceMostMs } = parts.policy();
      const mostMs = Math.max(...Object.values(silenceMostMs));
      if (matcherInWords(matcher) === '')
        throw new DeskRefused('no-matcher', 'say what is to be silenced: a patient, a ward or an attribute');
      if (reason.trim() === '') throw new DeskRefused('no-reason', 'a silence needs a reason');
      if (forMs > mostMs)
        throw new DeskRefused('too-long', `the policy allows no silence longer than ${minutes(mostMs)}`);
      await ready();
      await audit(asker, 'silence', { patientId: matcher.patientId ?? null, matcher });
      const at = now();
      const silence = {
        silenceId: hashId(asker.user, at, JSON.stringify(matcher)),
        ...{ matcher: without(matcher), startsAt: at, endsAt: later(at, forMs), reason, by: asker.user },
      };
      const { by, ...rest } = silence;
      const subject = silenceTrigger(silence.silenceId);
      const event: OperatorEvent = {
        v: 1,
        eventId: operatorEventId(subject, 'silenced', by, at),
        kind: 'silenced',
        by,
        at,
        ...rest,
      };
      await write(event);
      const there = async () => (await views.silences()).some(({ silenceId }) => silenceId === silence.silenceId);
      return { ...done(event, await inForce(there)), silence: silenceNow(silence, parts.policy()) };
    },
    unsilence: async (asker, silenceId) => {
      await ready();
      const silence = (await views.silences()).find((one) => one.silenceId === silenceId);
      if (!silence) throw new DeskRefused('no-such-silence', `no silence ${silenceId} is in force`);
      await audit(asker, 'unsilence', { patientId: silence.matcher.patientId ?? null, silenceId });
      const at = now();
      const eventId = operatorEventId(silenceTrigger(silenceId), 'silence-ended', asker.user, at);
      const event: OperatorEvent = {
        v: 1,
        eventId,
        kind: 'silence-ended',
        by: asker.user,
        at,
        silenceId,
        reason: 'withdrawn',
      };
      await write(event);
      const gone = async () => !(await views.silences()).some((one) => one.silenceId === silenceId);
      return done(event, await inForce(gone));
    },
    redrive: async (asker, which) => {
      await ready();
      const ids =
        typeof which === 'string'
          ? (await views.stuck()).filter(({ state }) => state === which).map(({ notificationId }) => notificationId)
          : which;
      await audit(asker, 'redrive', { notificationIds: ids });
      const answers = [];
      for (const notificationId of ids)
        answers.push({ notificationId, redriven: await views.redrive(notificationId, asker.user) });
      return answers;
    },
    close: async () => {
      await (await producer?.catch(() => undefined))?.close();
    },
  };
}

function done({ eventId }: OperatorEvent, inForce: boolean): Done {
  return { eventId, inForce };
}

export function openAlertOf(episodeId: string, view: EpisodeView): OpenAlert {
  return {
    ref: reference(episodeId),
    episodeId,
    status: view.status === 'open' ? 'open' : 'closed',
    ...{ patientId: view.patientId, ward: view.ward, attribute: view.attribute, direction: view.direction },
    ...{ severity: view.severity, since: view.since, stale: view.stale },
    acknowledged: view.ack && { by: view.ack.by, at: view.ack.at, until: view.ack.until },
    ...{ silencedBy: view.silencedBy, flapping: view.flapping, historic: view.historic, reminders: view.reminders },
    told: [...new Set(view.told.map(({ destination }) => destination))],
  };
}

function silenceNow(silence: Silence, policy: Policy): SilenceInForce {
  const endOf = (severity: Severity) => isoOfMs(silenceEndMs(silence, severity, policy));
  return {
    ...{ silenceId: silence.silenceId, matcher: silence.matcher, startsAt: silence.startsAt, endsAt: silence.endsAt },
    ...{ reason: silence.reason, by: silence.by },
    endsFor: { high: endOf('high'), medium: endOf('medium'), low: endOf('low') },
  };
}

function notificationNow(row: NotificationRow): NotificationNow {
  const { notificationId, episodeId, kind, n, destination, state, reason, attempt, possibleRepeat } = row;
  return { notificationId, episodeId, kind, n, destination, state, reason, attempt, possibleRepeat };
}

/** The absent ones left out. */
function without({ patientId, ward, attribute }: SilenceMatcher): SilenceMatcher {
  return { ...(patientId && { patientId }), ...(ward && { ward }), ...(attribute && { attribute }) };
}

function later(iso: string, ms: number): string {
  return formatMicros((parseMicros(iso) ?? 0) + microsOfMs(ms));
}

function minutes(ms: number): string {
  return `${Math.floor(ms / 60_000)} minutes`;
}
