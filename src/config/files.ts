// wardwatch.yaml and policy.yaml: their schemas, and their problems in our words.
import { parse as parseYaml, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { ATTRIBUTES, type Attribute } from '../domain/attributes.js';
import { DEFAULT_PATIENTS, DEFAULT_THRESHOLDS, DEFAULT_VITALS } from '../domain/mapping.js';
import { cron, duration, ParseError } from './parsers.js';
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

const PolicyFile = z.strictObject({
  clearAfter: parsed(duration(0, 3_600_000)).default(30_000),
  clearSamples: z.number().int().min(1).max(100).default(2),
  alertMaxAge: parsed(duration(10_000, 604_800_000)).optional(),
  // By the ward's name as the patients table has it.
  wards: z.record(z.string().min(1), z.strictObject({ expectData: z.boolean().default(false) })).default({}),
});
export type PolicyFile = z.infer<typeof PolicyFile>;

/** One of our parsers over a file's scalar: `30s` and 30000 mean the same. */
function parsed<T>(parse: (text: string) => T) {
  return z.union([z.string(), z.number()]).transform((value, context): T => {
    try {
      return parse(String(value));
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });
}

export interface Parsed<T> {
  readonly value: T | undefined;
  readonly problems: readonly Problem[];
}

/** `label` is how the file is called in messages. An empty file is a file of defaults. */
export function parseConfigFile(text: string, label: string): Parsed<ConfigFile> {
  return parseFile(ConfigFile, text, label);
}

export function parsePolicyFile(text: string, label: string): Parsed<PolicyFile> {
  return parseFile(PolicyFile, text, label);
}

function parseFile<S extends z.ZodType>(schema: S, text: string, label: string): Parsed<z.infer<S>> {
  let document: unknown;
  try {
    document = parseYaml(text, { prettyErrors: true, uniqueKeys: true }) ?? {};
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    const at = error.linePos?.[0];
    const where = at ? ` (line ${at.line}, column ${at.col})` : '';
    return {
      value: undefined,
      problems: [{ setting: label, what: `is no YAML${where}: ${error.code}`, mend: 'Mend that line' }],
    };
  }
  const result = schema.safeParse(document);
  if (result.success) return { value: result.data, problems: [] };
  return { value: undefined, problems: result.error.issues.flatMap((issue) => problemsOf(issue, schema, label)) };
}

function problemsOf(issue: z.core.$ZodIssue, schema: z.ZodType, label: string): Problem[] {
  const setting = `${label}: ${place(issue.path) || '(top level)'}`;
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, issue.path);
    return issue.keys.map((key) => {
      const meant = didYouMean(key, known);
      return {
        setting: `${label}: ${place([...issue.path, key])}`,
        what: 'there is no such key',
        mend: meant ? `Did you mean ${meant}?` : `Known here: ${known.join(', ')}`,
      };
    });
  }
  if (issue.code === 'invalid_union') {
    const branch = issue.errors.find((errors) =>
      errors.some((e) => e.path.length > 0 || e.code === 'unrecognized_keys'),
    );
    if (branch) {
      return branch.flatMap((e) =>
        problemsOf({ ...e, path: [...issue.path, ...e.path] } as z.core.$ZodIssue, schema, label),
      );
    }
  }
  return [{ setting, what: issue.message.replace(/^Invalid input: /, '').replace(/\.$/, ''), mend: 'Correct it' }];
}

function place(path: readonly PropertyKey[]): string {
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i ? '.' : ''}${String(part)}`)).join('');
}

/** The keys that the schema knows at a place of the document. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = schema;
  for (const part of ['', ...path]) {
    if (part !== '') {
      if (at instanceof z.ZodArray) at = at.element;
      else if (at instanceof z.ZodObject) at = (at.shape as Record<PropertyKey, unknown>)[part];
    }
    at = unwrap(at);
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function unwrap(schema: unknown): unknown {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) {
    return unwrap(schema.unwrap());
  }
  if (schema instanceof z.ZodUnion) return schema.options.find((option) => option instanceof z.ZodObject) ?? schema;
  return schema;
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
