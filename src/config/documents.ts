// A YAML document against a schema: every problem at once, in our words, with the place and the key that was probably meant.
import { parse as parseYaml, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { ParseError } from './parsers.js';
import { didYouMean, type Problem } from './problems.js';

/** One of our parsers over a file's scalar: `30s` and 30000 mean the same. */
export function parsed<T>(parse: (text: string) => T) {
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
export function parseFile<S extends z.ZodType>(schema: S, text: string, label: string): Parsed<z.infer<S>> {
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
