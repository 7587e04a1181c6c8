// "Why did they get this, or not": the record of decisions, attempts and outcomes, put together round an alert or round a recipient and a time.
import {
  DeskRefused,
  type Explanation,
  type OpenAlert,
  type RecipientExplanation,
  type RecipientQuestion,
  type RecipientTopic,
} from '../src/domain/alert-desk.js';
import type { DeliveryRecord } from '../src/domain/events.js';
import { reference } from '../src/domain/identity.js';
import type { EpisodeView } from '../src/domain/notification.js';
import type { Clock } from '../src/domain/ports.js';
import { silenceMatches } from '../src/domain/silence.js';
import { deliveryLines, eventLines, type Outcome, outcomesOf, type SayTime, topicOf } from '../src/domain/story.js';
import { isoOfMs, msOfIso } from '../src/domain/time.js';
import type { AlertEvent, AlertHistory } from './alert-history.js';

const DAY_MS = 86_400_000;
/** Nothing that was decided earlier is sent any more: what settles in a time was decided at most so long before. */
const DECIDED_BEFORE_MS = DAY_MS;
/** An outcome may come so long after the decision. */
const SETTLED_AFTER_MS = DAY_MS;
/** An event may wait so long for its decision. */
const DECIDED_AFTER_MS = DAY_MS;
/** Views are kept for seven days after the end: what they don't know is older, or was never there. */
const VIEWS_KEPT_MS = 8 * DAY_MS;
/** The last reading in range comes before the event, and the event before its record. */
const BESIDE_MS = 60_000;
/** Alerts of which a recipient's answer says what they are about. */
const DESCRIBED_MOST = 200;

export interface Readers {
  /** ARNs of all topics that this deployment sends to. */
  topics(): readonly string[];
  /** Who is subscribed to a topic now. */
  subscriptions(arn: string): Promise<readonly { readonly endpoint: string; readonly confirmed: boolean }[]>;
}

export interface WhyParts {
  readonly history: AlertHistory;
  readonly readers: Readers;
  readonly time: SayTime;
  readonly clock: Clock;
  find(alert: string): Promise<FoundAlert | undefined>;
  describe(episodeId: string, view: EpisodeView): OpenAlert;
}

export interface FoundAlert {
  readonly episodeId: string;
  readonly view: EpisodeView;
}

/** `found`: what the views know; undefined: nothing (any more). */
export async function explainAlert(
  parts: WhyParts,
  alert: string,
  found: FoundAlert | undefined,
): Promise<Explanation> {
  const { history, time, clock } = parts;
  const episodeId = found?.episodeId ?? (await history.episodeLike(alert.trim().toLowerCase()));
  if (episodeId === undefined) throw new DeskRefused('no-such-alert', `no alert ${alert} is on record`);
  const sinceMs = found ? msOfIso(found.view.since) - BESIDE_MS : clock.nowMs() - VIEWS_KEPT_MS;
  const { records, source } = await history.deliveriesOf(episodeId, sinceMs);
  if (records.length === 0 && !found) throw new DeskRefused('no-such-alert', `no alert ${alert} is on record`);
  const events = await history.events(
    { fromMs: found ? sinceMs : earliest(records) - DECIDED_AFTER_MS, toMs: clock.nowMs() },
    (event) => ('episodeId' in event ? event.episodeId === episodeId : true),
    source,
  );
  const lines = [...eventLines(about(events, found?.view), time), ...deliveryLines(records, time)];
  return {
    episodeId,
    ref: reference(episodeId),
    alert: found ? parts.describe(episodeId, found.view) : null,
    lines: lines.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)),
    outcomes: outcomesOf(records, time),
    source,
  };
}

/** The episode's own, and the silences that fit it, with their ends. */
function about(events: readonly AlertEvent[], view: EpisodeView | undefined): AlertEvent[] {
  const raised = events.find((event) => event.kind === 'raised');
  const patientId = view?.patientId ?? (raised && 'patient' in raised ? raised.patient.id : undefined);
  const alert = {
    patientId: patientId ?? '',
    ward: view?.ward ?? (raised && 'patient' in raised ? raised.patient.ward : null),
    attribute: view?.attribute ?? (raised && 'attribute' in raised ? raised.attribute : ''),
  };
  const fitting = new Set(
    events.flatMap((event) => (event.kind === 'silenced' && silenceMatches(event, alert) ? [event.silenceId] : [])),
  );
  return events.filter((event) => !('silenceId' in event) || fitting.has(event.silenceId));
}

export async function explainRecipient(parts: WhyParts, question: RecipientQuestion): Promise<RecipientExplanation> {
  const { history, time } = parts;
  const topics = await topicsOf(parts.readers, question.recipient);
  const { records, source } = await history.deliveriesBetween(
    question.fromMs - DECIDED_BEFORE_MS,
    question.toMs + SETTLED_AFTER_MS,
  );
  const [from, to] = [isoOfMs(question.fromMs), isoOfMs(question.toMs)];
  const outcomes = outcomesOf(records, time, ({ at }) => from <= at && at <= to);
  const theirs = new Set(topics.map(({ topic }) => topic));
  // What is about no episode, a heartbeat or a technical alarm, is nobody else's loss.
  const ofAlerts = outcomes.filter(({ episodeId }) => episodeId !== '');
  const answer = {
    theirs: outcomes.filter(({ destination }) => theirs.has(destination)),
    nobody: ofAlerts.filter(({ destination, verdict }) => destination === '' && verdict === 'suppressed'),
    elsewhere: ofAlerts.filter(({ destination }) => destination !== '' && !theirs.has(destination)),
  };
  const alerts = await describeAll(parts, [...answer.theirs, ...answer.nobody, ...answer.elsewhere]);
  return { recipient: question.recipient, from, to, topics, ...answer, alerts, source };
}

async function describeAll(parts: WhyParts, outcomes: readonly Outcome[]): Promise<OpenAlert[]> {
  const ids = [...new Set(outcomes.map(({ episodeId }) => episodeId))].filter((id) => id !== '');
  const found = await Promise.all(ids.slice(0, DESCRIBED_MOST).map((id) => parts.find(id)));
  return found.flatMap((one) => (one ? [parts.describe(one.episodeId, one.view)] : []));
}

/** A topic is a recipient by its ARN or name, everybody else by their subscriptions. */
async function topicsOf(readers: Readers, recipient: string): Promise<RecipientTopic[]> {
  const wanted = recipient.trim().toLowerCase();
  const arns = readers.topics();
  const named = arns.filter((arn) => arn.toLowerCase() === wanted || topicOf(arn).toLowerCase() === wanted);
  if (named.length > 0) return named.map((topic) => ({ topic, confirmed: null }));
  // A topic that today's policy no longer names.
  if (wanted.startsWith('arn:') && wanted.split(':')[2] === 'sns')
    return [{ topic: recipient.trim(), confirmed: null }];
  const read = await Promise.all(
    arns.map(async (topic) =>
      (await readers.subscriptions(topic))
        .filter(({ endpoint }) => endpoint.toLowerCase() === wanted)
        .map(({ confirmed }) => ({ topic, confirmed })),
    ),
  );
  return read.flat();
}

function earliest(records: readonly DeliveryRecord[]): number {
  return Math.min(...records.map(({ at }) => msOfIso(at)));
}
