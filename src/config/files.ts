// wardwatch.yaml: its schema, and the attributes it names.
import { z } from 'zod';
import { ATTRIBUTES, type Attribute } from '../domain/attributes.js';
import { DEFAULT_PATIENTS, DEFAULT_THRESHOLDS, DEFAULT_VITALS } from '../domain/mapping.js';
import { type Parsed, parsed, parseFile } from './documents.js';
import { cron } from './parsers.js';
import { didYouMean, type Problem } from './problems.js';

const name = z.string().trim().min(1).max(64);
const nullable = (fallback: string | null) => name.nullable().default(fallback);

const vitals = z.strictObject({
  table: name.default(DEFAULT_VITALS.table),
  key: name.default(DEFAULT_VITALS.key),
  patientId: name.default(DEFAULT_VITALS.patientId),
  recordedAt: nullable(DEFAULT_VITALS.recordedAt),
  // The server's auto_increment_increment: another than the configured one means that other servers hand out ids too.
  step: z.number().int().min(1).max(65_535).default(1),
});

const patients = z.strictObject({
  table: name.default(DEFAULT_PATIENTS.table),
  id: name.default(DEFAULT_PATIENTS.id),
  name: nullable(DEFAULT_PATIENTS.name),
  address: nullable(DEFAULT_PATIENTS.address),
  phone: nullable(DEFAULT_PATIENTS.phone),
  ward: nullable(DEFAULT_PATIENTS.ward),
  age: nullable(DEFAULT_PATIENTS.age),
  dateOfBirth: nullable(DEFAULT_PATIENTS.dateOfBirth),
  otherDetails: nullable(DEFAULT_PATIENTS.otherDetails),
});

const thresholds = z.strictObject({
  table: nullable(DEFAULT_THRESHOLDS.table),
  attribute: name.default(DEFAULT_THRESHOLDS.attribute),
  lowAge: name.default(DEFAULT_THRESHOLDS.lowAge),
  highAge: name.default(DEFAULT_THRESHOLDS.highAge),
  lowValue: name.default(DEFAULT_THRESHOLDS.lowValue),
  highValue: name.default(DEFAULT_THRESHOLDS.highValue),
  alertFlag: name.default(DEFAULT_THRESHOLDS.alertFlag),
  alertMessage: name.default(DEFAULT_THRESHOLDS.alertMessage),
  severity: nullable(DEFAULT_THRESHOLDS.severity),
  unit: nullable(DEFAULT_THRESHOLDS.unit),
});

const attribute = z.strictObject({
  name: z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,39}$/, 'must be a letter, then letters, digits or _, at most 40'),
  column: name.optional(),
  unit: z.string().min(1).max(20).optional(),
  loinc: z
    .string()
    .regex(/^\d{1,7}-\d$/, 'must be a LOINC code like 8867-4')
    .optional(),
  plausible: z.strictObject({ low: z.number(), high: z.number() }).optional(),
  decimals: z.number().int().min(0).max(6).optional(),
});

const CHECK_COLUMNS = {
  append: 'mode append needs the column that grows: an ascending unique integer',
  lastmodified: 'mode lastmodified needs the column that every change sets: a DATETIME or TIMESTAMP',
} as const;

type Mode = 'full' | keyof typeof CHECK_COLUMNS;

const importRow = {
  checkColumn: name.nullable().default(null),
  cron: parsed(cron).optional(),
};

function needsCheckColumn(
  { mode, checkColumn }: { readonly mode: Mode; readonly checkColumn: string | null },
  context: z.RefinementCtx,
): void {
  if (mode !== 'full' && checkColumn === null)
    context.addIssue({ code: 'custom', path: ['checkColumn'], message: CHECK_COLUMNS[mode] });
}

const importPatients = z
  .strictObject({ mode: z.enum(['full', 'append', 'lastmodified']).default('full'), ...importRow })
  .superRefine(needsCheckColumn);
/** Limits have no id, so that a changed one could not be told from a new one. */
const importThresholds = z
  .strictObject({ mode: z.enum(['full', 'append']).default('full'), ...importRow })
  .superRefine(needsCheckColumn);

const ConfigFile = z.strictObject({
  source: z
    .strictObject({
      vitals: vitals.prefault({}),
      patients: patients.prefault({}),
      thresholds: thresholds.prefault({}),
    })
    .prefault({}),
  attributes: z
    .array(z.union([z.string(), attribute]))
    .min(1)
    .default(['heartBeat', 'bp']),
  imports: z
    .strictObject({ patients: importPatients.prefault({}), thresholds: importThresholds.prefault({}) })
    .prefault({}),
});
export type ConfigFile = z.infer<typeof ConfigFile>;

/** `label` is how the file is called in messages. An empty file is a file of defaults. */
export function parseConfigFile(text: string, label: string): Parsed<ConfigFile> {
  return parseFile(ConfigFile, text, label);
}

/** The attributes that this deployment reads, from names of known ones and definitions of others. Later rows of one name are a problem. */
export function resolveAttributes(rows: ConfigFile['attributes'], label: string): Parsed<readonly Attribute[]> {
  const problems: Problem[] = [];
  const found: Attribute[] = [];
  rows.forEach((row, i) => {
    const own = typeof row === 'string' ? { name: row } : row;
    const setting = `${label}: attributes[${i}]`;
    const known = ATTRIBUTES.find((a) => a.name === own.name);
    const merged = { ...known, ...own };
    const missing = (['unit', 'loinc', 'plausible', 'decimals'] as const).filter((key) => merged[key] === undefined);
    if (missing.length > 0) {
      const meant = didYouMean(
        own.name,
        ATTRIBUTES.map((a) => a.name),
      );
      problems.push({
        setting,
        what: `${own.name} is no known vital sign and lacks ${missing.join(', ')}`,
        mend: meant
          ? `Did you mean ${meant}?`
          : `Describe it: {name, column, unit, loinc, plausible: {low, high}, decimals}`,
      });
      return;
    }
    const complete = { ...merged, column: merged.column ?? own.name } as Attribute;
    if (complete.plausible.low >= complete.plausible.high) {
      problems.push({ setting, what: 'plausible.low is not below plausible.high', mend: 'Exchange or correct them' });
    }
    for (const key of ['name', 'column'] as const) {
      if (found.some((a) => a[key].toLowerCase() === complete[key].toLowerCase())) {
        problems.push({ setting, what: `the ${key} ${complete[key]} stands there twice`, mend: 'Keep one' });
      }
    }
    found.push(complete);
  });
  return { value: problems.length ? undefined : found, problems };
}
