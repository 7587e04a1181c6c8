// What the API of the alerts takes and answers: schemas that check requests, describe answers, and become /api/openapi.json.
import { z } from 'zod';
import type {
  AlertDetails,
  AlertList,
  Done,
  Explanation,
  NotificationNow,
  OpenAlert,
  RecipientExplanation,
  Redriven,
  SilenceInForce,
} from '../domain/alert-desk.js';
import { OPERATOR_TEXT_MOST } from '../domain/operator-events.js';
import type { Outcome, StoryLine } from '../domain/story.js';

const NAME_CHARACTERS = 100;
const REDRIVEN_AT_ONCE = 1_000;
const SECONDS_PER_DAY = 86_400;
const SILENCE_DAYS_MOST = 7;
const AROUND_SECONDS_USUAL = 900;

const severity = z.enum(['high', 'medium', 'low']);
const instant = z.string().describe('UTC, ISO 8601');
const note = z.string().max(OPERATOR_TEXT_MOST);
const by = z
  .string()
  .trim()
  .min(1)
  .max(NAME_CHARACTERS)
  .describe('Who acts. Recorded as it is said: the console knows no users yet');
const seconds = (most: number) => z.number().int().min(60).max(most);

const matcher = z
  .strictObject({
    patientId: z.string().min(1).max(NAME_CHARACTERS).optional(),
    ward: z.string().min(1).max(NAME_CHARACTERS).optional(),
    attribute: z.string().min(1).max(NAME_CHARACTERS).optional(),
  })
  .describe('All that are named must fit; at least one is named');

// ── requests ──
export const AlertParams = z.strictObject({
  alert: z.string().min(6).max(64).describe("The e-mail's reference, or an episode id"),
});
export const SilenceParams = z.strictObject({ silence: z.string().min(1).max(64) });
export const ListQuery = z.strictObject({
  ward: z.string().optional(),
  patientId: z.string().optional(),
  severity: severity.optional(),
});
export const RecipientQuery = z.strictObject({
  recipient: z.string().min(1).max(400).describe("A topic's ARN or name, or an address that is subscribed to one"),
  time: z.string().max(40).describe("03:12, 2026-11-24 03:12 (the hospital's clock), or an instant that ends in Z"),
  aroundSeconds: z.coerce.number().int().min(1).max(SECONDS_PER_DAY).default(AROUND_SECONDS_USUAL),
});
export const AckBody = z.strictObject({ by, note: note.default(''), forSeconds: seconds(SECONDS_PER_DAY).optional() });
export const SilenceBody = z.strictObject({
  by,
  matcher,
  forSeconds: seconds(SILENCE_DAYS_MOST * SECONDS_PER_DAY),
  reason: note.min(1),
});
export const ByBody = z.strictObject({ by });
export const RedriveBody = z.strictObject({
  by,
  which: z.union([z.array(z.string().max(64)).min(1).max(REDRIVEN_AT_ONCE), z.enum(['HELD', 'DEAD'])]),
});

// ── answers ──
const openAlert = z.strictObject({
  ref: z.string(),
  episodeId: z.string(),
  status: z.enum(['open', 'closed']),
  patientId: z.string(),
  ward: z.string().nullable(),
  attribute: z.string(),
  direction: z.enum(['low', 'high', 'unclassified']),
  severity,
  since: instant,
  stale: z.boolean(),
  acknowledged: z.strictObject({ by: z.string(), at: instant, until: instant }).nullable(),
  silencedBy: z.string().nullable(),
  flapping: z.boolean(),
  historic: z.boolean(),
  reminders: z.number(),
  told: z.array(z.string()),
}) satisfies Answers<OpenAlert>;

const silenceInForce = z.strictObject({
  silenceId: z.string(),
  matcher,
  startsAt: instant,
  endsAt: instant,
  reason: z.string(),
  by: z.string(),
  endsFor: z.strictObject({ high: instant, medium: instant, low: instant }),
}) satisfies Answers<SilenceInForce>;

const notificationNow = z.strictObject({
  notificationId: z.string(),
  episodeId: z.string(),
  kind: z.string(),
  n: z.number(),
  destination: z.string(),
  state: z.string(),
  reason: z.string(),
  attempt: z.number(),
  possibleRepeat: z.boolean(),
}) satisfies Answers<NotificationNow>;

const storyLine = z.strictObject({
  at: instant,
  what: z.enum(['event', 'decision', 'delivery']),
  kind: z.string(),
  n: z.number(),
  destination: z.string(),
  state: z.string(),
  reason: z.string(),
  says: z.string(),
}) satisfies Answers<StoryLine>;

const outcome = z.strictObject({
  notificationId: z.string(),
  episodeId: z.string(),
  ref: z.string(),
  kind: z.string(),
  n: z.number(),
  destination: z.string(),
  verdict: z.enum(['accepted', 'covered', 'waiting', 'held', 'dead', 'cancelled', 'suppressed', 'scheduled']),
  reason: z.string(),
  decidedAt: instant,
  at: instant,
  snsMessageId: z.string().nullable(),
  coveredBy: z.string().nullable(),
  possibleRepeat: z.boolean(),
  says: z.string(),
}) satisfies Answers<Outcome>;

const source = z.enum(['kafka', 'lake']);

export const ListAnswer = z.strictObject({
  alerts: z.array(openAlert),
  more: z.boolean(),
  silences: z.array(silenceInForce),
  stuck: z.array(notificationNow),
}) satisfies Answers<AlertList>;

export const DetailsAnswer = z.strictObject({
  alert: openAlert,
  event: z
    .record(z.string(), z.unknown())
    .nullable()
    .describe('The newest event, as on doctors-queue; name, address and phone only while the console is on loopback'),
  notifications: z.array(notificationNow),
}) satisfies Answers<AlertDetails>;

export const ExplanationAnswer = z.strictObject({
  episodeId: z.string(),
  ref: z.string(),
  alert: openAlert.nullable(),
  lines: z.array(storyLine),
  outcomes: z.array(outcome),
  source,
}) satisfies Answers<Explanation>;

export const RecipientAnswer = z.strictObject({
  recipient: z.string(),
  from: instant,
  to: instant,
  topics: z.array(z.strictObject({ topic: z.string(), confirmed: z.boolean().nullable() })),
  theirs: z.array(outcome),
  nobody: z.array(outcome),
  elsewhere: z.array(outcome),
  alerts: z.array(openAlert),
  source,
}) satisfies Answers<RecipientExplanation>;

const done = { eventId: z.string(), inForce: z.boolean() };
export const DoneAnswer = z.strictObject(done) satisfies Answers<Done>;
export const SilenceAnswer = z.strictObject({ ...done, silence: silenceInForce });
export const RedriveAnswer = z.strictObject({
  notifications: z.array(
    z.strictObject({ notificationId: z.string(), redriven: z.boolean() }) satisfies Answers<Redriven>,
  ),
});
export const ErrorAnswer = z.strictObject({ error: z.string(), message: z.string() });

/** Every field of the answer is in the schema, and the other way round. */
type Answers<T> = z.ZodType & { readonly shape: { readonly [K in keyof T]-?: z.ZodType } };
