// policy.yaml: its schema, and what it means once everything that it leaves out is filled in.
import { z } from 'zod';
import { hashId } from '../domain/identity.js';
import type { BySeverity, ConditionTiming, Policy, Route } from '../domain/policy.js';
import { type Parsed, parsed, parseFile } from './documents.js';
import { duration } from './parsers.js';
import type { Problem } from './problems.js';

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

const CONDITION_DEFAULTS: ConditionTiming = {
  sustainMs: 0,
  minSamples: 1,
  clearMargin: 0,
  clearAfterMs: 30_000,
  clearSamples: 2,
  staleAfterMs: 60_000,
};

const samples = z.number().int().min(1).max(100);

const condition = {
  sustain: parsed(duration(0, HOUR_MS)).optional(),
  minSamples: samples.optional(),
  clearMargin: z.number().min(0).max(1_000).optional(),
  clearAfter: parsed(duration(0, HOUR_MS)).optional(),
  clearSamples: samples.optional(),
  // Below ten seconds an ordinary pause of the data would be an alarm.
  staleAfter: parsed(duration(10_000, DAY_MS)).optional(),
};
const ConditionRow = z.strictObject(condition);

const severity = z.enum(['high', 'medium', 'low']);
const some = <T extends z.ZodType>(of: T) => z.array(of).min(1);
const nameText = z.string().trim().min(1).max(100);
const topic = z
  .string()
  .regex(
    /^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$/,
    'must be the ARN of a standard SNS topic, like arn:aws:sns:eu-central-1:123456789012:ward-4b',
  );

/** Sooner nobody can have reacted. */
const FOLLOW_UP_LEAST_MS = 10_000;

const told = {
  escalation: z
    .array(z.strictObject({ after: parsed(duration(FOLLOW_UP_LEAST_MS, DAY_MS)), topic }))
    .max(10)
    .default([]),
  reminder: z
    .strictObject({
      every: parsed(duration(FOLLOW_UP_LEAST_MS, DAY_MS)),
      most: z.number().int().min(1).max(100).default(3),
    })
    .optional(),
};

const bySeverity = (least: number, most: number, fallback: BySeverity<number>) =>
  z
    .strictObject({
      high: parsed(duration(least, most)).default(fallback.high),
      medium: parsed(duration(least, most)).default(fallback.medium),
      low: parsed(duration(least, most)).default(fallback.low),
    })
    .prefault({});

const PolicyFile = z.strictObject({
  ...condition,
  attributes: z
    .record(
      nameText,
      z.strictObject({
        ...condition,
        severities: z
          .strictObject({ high: ConditionRow, medium: ConditionRow, low: ConditionRow })
          .partial()
          .default({}),
      }),
    )
    .default({}),
  alertMaxAge: parsed(duration(10_000, 7 * DAY_MS)).optional(),
  // By the ward's name as the patients table has it.
  wards: z.record(z.string().min(1), z.strictObject({ expectData: z.boolean().default(false) })).default({}),
  routes: z
    .array(
      z.strictObject({
        name: nameText.refine((text) => text !== 'default', 'default is the name of the last route: choose another'),
        match: z
          .strictObject({ wards: some(nameText), severities: some(severity), attributes: some(nameText) })
          .partial(),
        topic,
        ...told,
      }),
    )
    .max(200)
    .default([]),
  default: z.strictObject({ topic: topic.optional(), ...told }).prefault({}),
  fallbackTopic: topic.optional(),
  acknowledge: z
    .strictObject({
      expiry: bySeverity(MINUTE_MS, DAY_MS, { high: HOUR_MS, medium: 4 * HOUR_MS, low: 12 * HOUR_MS }),
    })
    .prefault({}),
  silence: z
    .strictObject({
      most: bySeverity(MINUTE_MS, 7 * DAY_MS, { high: 2 * HOUR_MS, medium: 8 * HOUR_MS, low: DAY_MS }),
    })
    .prefault({}),
  flapping: z
    .strictObject({
      episodes: z.number().int().min(2).max(100).default(4),
      within: parsed(duration(MINUTE_MS, DAY_MS)).default(30 * MINUTE_MS),
    })
    .prefault({}),
  limits: z
    .strictObject({
      // SNS suspends an e-mail subscription above 10 a second.
      perSecond: z.number().min(0.1).max(8).default(1),
      burst: z.number().int().min(1).max(8).default(5),
      digestAbove: z.number().int().min(1).max(1_000).default(20),
      digestEvery: parsed(duration(SECOND_MS, 5 * MINUTE_MS)).default(10_000),
    })
    .prefault({}),
});
export type PolicyFile = z.infer<typeof PolicyFile>;

/** All problems at once. An empty file is a file of defaults. */
export function parsePolicyFile(text: string, label: string): Parsed<PolicyFile> {
  const { value, problems } = parseFile(PolicyFile, text, label);
  const twice = value ? namedTwice(value.routes, label) : [];
  return { value: twice.length > 0 ? undefined : value, problems: [...problems, ...twice] };
}

function namedTwice(routes: PolicyFile['routes'], label: string): Problem[] {
  return routes.flatMap(({ name }, i) =>
    routes.findIndex((route) => route.name === name) === i
      ? []
      : [{ setting: `${label}: routes[${i}].name`, what: `there is another route ${name}`, mend: 'Rename one' }],
  );
}

/** Settings that stand where the file says nothing. */
export interface PolicySettings {
  /** SNS_TOPIC_ARN. */
  readonly topic: string | undefined;
  /** ALERT_MAX_AGE. */
  readonly alertMaxAgeMs: number;
  /** It came from the environment, which wins over files. */
  readonly alertMaxAgeGiven: boolean;
}

/** The version is a function of what is in force, whichever file or variable it came from. */
export function policyOf(file: PolicyFile, settings: PolicySettings): Policy {
  const content = {
    conditions: conditionsOf(file),
    expectDataWards: Object.entries(file.wards)
      .filter(([, ward]) => ward.expectData)
      .map(([name]) => name)
      .sort(),
    alertMaxAgeMs: settings.alertMaxAgeGiven ? settings.alertMaxAgeMs : (file.alertMaxAge ?? settings.alertMaxAgeMs),
    routes: routesOf(file, settings.topic),
    fallbackTopic: file.fallbackTopic ?? null,
    acknowledgeExpiryMs: file.acknowledge.expiry,
    silenceMostMs: file.silence.most,
    flapping: { episodes: file.flapping.episodes, withinMs: file.flapping.within },
    limits: {
      perSecond: file.limits.perSecond,
      burst: file.limits.burst,
      digestAbove: file.limits.digestAbove,
      digestEveryMs: file.limits.digestEvery,
    },
  };
  return { version: hashId('policy', JSON.stringify(content)), ...content };
}

type Condition = z.infer<typeof ConditionRow>;

function conditionsOf(file: PolicyFile): Policy['conditions'] {
  const base = over(CONDITION_DEFAULTS, file);
  const attributes = Object.entries(file.attributes)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, own]) => {
      const row = over(base, own);
      const of = (given: Condition | undefined) => (given ? over(row, given) : row);
      const { high, medium, low } = own.severities;
      return [name, { high: of(high), medium: of(medium), low: of(low) }] as const;
    });
  return { default: base, attributes: Object.fromEntries(attributes) };
}

function over(base: ConditionTiming, given: Condition): ConditionTiming {
  return {
    sustainMs: given.sustain ?? base.sustainMs,
    minSamples: given.minSamples ?? base.minSamples,
    clearMargin: given.clearMargin ?? base.clearMargin,
    clearAfterMs: given.clearAfter ?? base.clearAfterMs,
    clearSamples: given.clearSamples ?? base.clearSamples,
    staleAfterMs: given.staleAfter ?? base.staleAfterMs,
  };
}

/** The default route has no topic where neither the file nor SNS_TOPIC_ARN names one: roles that send need that setting. */
function routesOf(file: PolicyFile, topicSetting: string | undefined): Route[] {
  const of = (told: Pick<PolicyFile['default'], 'escalation' | 'reminder'>) => ({
    escalation: told.escalation.map(({ after, topic: to }) => ({ afterMs: after, topic: to })),
    reminder: told.reminder ? { everyMs: told.reminder.every, most: told.reminder.most } : null,
  });
  const last = { name: 'default', match: {}, topic: file.default.topic ?? topicSetting ?? '', ...of(file.default) };
  return [
    ...file.routes.map((route) => ({
      name: route.name,
      match: matchOf(route.match),
      topic: route.topic,
      ...of(route),
    })),
    last,
  ];
}

/** Without the absent lists: exactOptionalPropertyTypes. */
function matchOf(match: PolicyFile['routes'][number]['match']): Route['match'] {
  const { wards, severities, attributes } = match;
  return { ...(wards && { wards }), ...(severities && { severities }), ...(attributes && { attributes }) };
}
