// ops/docs/alerts.md: its examples are read as wardwatch reads them, and its tables say what they do.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { words } from '../../../src/config/parsers.js';
import { parsePolicyFile, policyOf } from '../../../src/config/policy-file.js';
import { ATTRIBUTES } from '../../../src/domain/attributes.js';
import type { Severity } from '../../../src/domain/events.js';
import { contentOfThresholdsFile } from '../../../src/domain/import-content.js';
import { thresholdOfEntry } from '../../../src/domain/import-version.js';
import { type Policy, timingOf } from '../../../src/domain/policy.js';
import { routeOf } from '../../../src/domain/routes.js';
import { topicOf } from '../../../src/domain/story.js';

const PAGE = readFileSync('ops/docs/alerts.md', 'utf8');
const NEWS2 = readFileSync('ops/sql/thresholds-news2.csv', 'utf8');
const WARDS = ['An adult ward', 'An intensive care unit', 'Paediatrics'] as const;

/** The text under a heading, up to the next of its level. */
function section(title: string): string {
  const from = PAGE.indexOf(`\n## ${title}\n`);
  const to = PAGE.indexOf('\n## ', from + 1);
  if (from < 0) throw new Error(`no section ${title}`);
  return PAGE.slice(from, to < 0 ? undefined : to);
}

/** Blocks of a language, the comment in their first line left out: CSV has none. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n# [^\\n]+\\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, body]) => body ?? '',
  );
}

/** Rows of the table that begins with these columns. */
function table(text: string, ...columns: string[]): string[][] {
  const lines = text.split('\n');
  const head = lines.findIndex((line) => line.startsWith(`| ${columns.join(' | ')} |`));
  if (head < 0) return [];
  const rows = lines.slice(head + 2);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

function policyIn(title: string): Policy {
  const [yaml = ''] = blocks(section(title), 'yaml');
  const { value, problems } = parsePolicyFile(yaml, 'policy.yaml');
  expect(problems).toEqual([]);
  if (!value) throw new Error('no policy');
  return policyOf(value, { topic: undefined, alertMaxAgeMs: 900_000, alertMaxAgeGiven: false });
}

function limitsIn(title: string) {
  const [csv = NEWS2] = blocks(section(title), 'csv');
  const { entries, problems, warnings } = contentOfThresholdsFile(Buffer.from(csv), {});
  expect({ problems, warnings: warnings.filter((text) => !/\bage/.test(text)) }).toEqual({
    problems: [],
    warnings: [],
  });
  return entries.map(thresholdOfEntry);
}

/** The e-mail's way, in the words of the page's tables. */
function wayOf(policy: Policy, ward: string, attribute: string, severity: Severity): string[] {
  const route = routeOf(policy, { ward, attribute, severity });
  const levels = route?.escalation.map(({ afterMs, topic }) => `${topicOf(topic)} ${words(afterMs)}`) ?? [];
  const { sustainMs } = timingOf(policy.conditions, attribute, severity);
  return [
    ...[ward, attribute, severity, topicOf(route?.topic ?? '')],
    levels.length === 0 ? 'nobody' : levels.join(', '),
    sustainMs === 0 ? 'at once' : `sustain ${words(sustainMs)}`,
  ];
}

describe.each(WARDS)('%s', (title) => {
  test('limits and policy are taken, without a warning but on ages that it has no patients of', () => {
    expect(limitsIn(title).length).toBeGreaterThan(10);
    expect(policyIn(title).routes.length).toBeGreaterThan(2);
  });

  test('its table says what the policy does', () => {
    const rows = table(section(title), 'ward', 'attribute', 'severity');
    const policy = policyIn(title);
    expect(rows.length).toBeGreaterThan(3);
    for (const row of rows) expect(wayOf(policy, row[0] ?? '', row[1] ?? '', row[2] as Severity)).toEqual(row);
  });

  test('every attribute and every route is one that can be met', () => {
    const limits = limitsIn(title);
    const known = new Set(ATTRIBUTES.map(({ name }) => name));
    expect(limits.map(({ attribute }) => attribute).filter((name) => !known.has(name))).toEqual([]);
    const policy = policyIn(title);
    expect(Object.keys(policy.conditions.attributes).filter((name) => !known.has(name))).toEqual([]);
  });
});

test('the bands of a child are those of the table', () => {
  const limits = limitsIn('Paediatrics');
  const rows = table(section('Paediatrics'), 'age', 'attribute', 'value');
  expect(rows).toHaveLength(5);
  for (const [age = '', attribute, value = '', band] of rows) {
    const bands = limits.filter((one) => one.attribute === attribute && one.lowAge <= +age && +age <= one.highAge);
    const [hit] = bands.filter((one) => one.lowValue <= +value && +value <= one.highValue);
    const [normal] = bands.filter((one) => !one.alert);
    if (!hit || !normal) throw new Error(`no band for ${attribute} ${value} at ${age}`);
    const found = hit.alert ? `${hit.severity} ${+value < normal.lowValue ? 'low' : 'high'}` : 'normal';
    expect(found, `${attribute} ${value} at ${age}`).toBe(band);
  }
});

test('defaults and bounds of the table of keys are those of an empty policy', () => {
  const rows = new Map(
    table(section('policy.yaml, line by line'), 'key', 'default').map(([key, ...rest]) => [key, rest]),
  );
  const { value } = parsePolicyFile('', 'policy.yaml');
  if (!value) throw new Error('an empty policy is refused');
  const { acknowledge, silence, flapping, limits } = value;
  const bySeverity = (of: Readonly<Record<Severity, number>>) =>
    (['high', 'medium', 'low'] as const).map((one) => `${one} ${words(of[one])}`).join(', ');
  expect(rows.get('`acknowledge.expiry`')?.[0]).toBe(bySeverity(acknowledge.expiry));
  expect(rows.get('`silence.most`')?.[0]).toBe(bySeverity(silence.most));
  expect(rows.get('`flapping`')?.[0]).toBe(`${flapping.episodes} episodes within ${words(flapping.within)}`);
  expect(rows.get('`limits`')?.[0]).toBe(
    `perSecond ${limits.perSecond}, burst ${limits.burst}, digestAbove ${limits.digestAbove}, digestEvery ${words(limits.digestEvery)}`,
  );
});
