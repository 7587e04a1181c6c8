// Every claim of ops/docs/guarantees.md names its test, and the test is there; every state in which a worker stops has its runbook section.
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ALARM_NAMES } from '../../../src/domain/alarms.js';
import { testTitles } from '../../helpers/test-titles.js';

const GUARANTEES = 'ops/docs/guarantees.md';
const RUNBOOK = 'ops/docs/runbook.md';
const ALARM_PAGE = 'ops/docs/technical-alarms.md';
const CELLS = 4;
const PARTS = ['**Means.**', '**Look at.**', '**Do.**', '**Over when.**'];

/** What is wrong with the table of claims. */
function wrongClaims(markdown: string): string[] {
  const [, section = ''] = markdown.split(/^## Claims$/m);
  const rows = (section.split(/^## /m)[0] ?? '').split('\n').filter((line) => line.startsWith('| '));
  return rows.slice(2).flatMap((row) => {
    const cells = row
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim());
    const claim = (cells[0] ?? '').slice(0, 40);
    if (cells.length !== CELLS || cells.includes('')) return [`${claim}: not ${CELLS} filled cells`];
    const tests = [...(cells[3] ?? '').matchAll(/`(test\/[^`]+)`(?: › ([^;]+))?/g)];
    if (tests.length === 0) return [`${claim}: names no test`];
    return tests.flatMap(([, file = '', name]) => {
      if (!existsSync(file)) return [`${claim}: ${file} does not exist`];
      if (name && !testTitles(readFileSync(file, 'utf8')).some((title) => title.startsWith(name.trim())))
        return [`${claim}: ${file} has no test "${name.trim()}"`];
      return [];
    });
  });
}

/** What is wrong with the sections of the runbook. */
function wrongSections(markdown: string): string[] {
  return markdown
    .split(/^## /m)
    .slice(1)
    .flatMap((section) =>
      PARTS.filter((part) => !section.includes(part)).map((part) => `${section.split('\n')[0]}: no ${part}`),
    );
}

test('each claim has its conditions and an existing test', () => {
  const markdown = readFileSync(GUARANTEES, 'utf8');
  expect(wrongClaims(markdown)).toEqual([]);
});

test('a claim without a test, with a missing file or a wrong name is found', () => {
  const head = '## Claims\n\n| claim | holds | breaks | test |\n| --- | --- | --- | --- |\n';
  expect(wrongClaims(`${head}| a | b | c | none |\n`)).toEqual(['a: names no test']);
  expect(wrongClaims(`${head}| a | b | c | \`test/nowhere.test.ts\` |\n`)).toEqual([
    'a: test/nowhere.test.ts does not exist',
  ]);
  const missing = `no such ${'name'}`;
  expect(wrongClaims(`${head}| a | b | c | \`test/unit/docs/guarantees.test.ts\` › ${missing} |\n`)).toEqual([
    `a: test/unit/docs/guarantees.test.ts has no test "${missing}"`,
  ]);
  expect(wrongClaims(`${head}| a | b |  | \`test/unit/docs/guarantees.test.ts\` |\n`)).toEqual([
    'a: not 4 filled cells',
  ]);
});

test('a title is what a test of the file is called: no comment, no other text, nothing that is skipped or still to come', () => {
  const file = [
    "// test('in a comment', () => {});",
    "/*\ntest('in a longer comment', () => {});\n*/",
    "const text = 'some text';",
    "test.skip('skipped', () => {});",
    "describe.skip('a skipped group', () => {",
    "  it('within it', () => {});",
    '});',
    "it.todo('to come');",
    "describe('a group', () => {",
    "  it.each<[string, () => void]>([['of (a table', () => run(')')]])('each %s', () => {});",
    "  it.runIf(isRoot())(\n    'that asks for more',\n    () => {},\n  );",
    '});',
    'test("it\'s the last", () => {});',
  ];
  expect(testTitles(file.join('\n'))).toEqual(['a group', 'each %s', 'that asks for more', "it's the last"]);
});

test('each section of the runbook has its four parts, and so has each of technical-alarms.md, one an alarm', () => {
  const alarms = readFileSync(ALARM_PAGE, 'utf8');
  expect(wrongSections(alarms)).toEqual([]);
  expect([...alarms.matchAll(/^## .*`([a-z-]+)`$/gm)].map(([, name]) => name)).toEqual(ALARM_NAMES);
  expect(wrongSections(readFileSync(RUNBOOK, 'utf8'))).toEqual([]);
  expect(wrongSections('## `x`\n\n**Means.** **Look at.** **Do.**\n')).toEqual(['`x`: no **Over when.**']);
});

/** Closed codes and classes of the states in which a worker waits for a person. */
function stops(): string[] {
  const codes = readFileSync('src/mysql/refusal.ts', 'utf8').match(/\| '[a-z-]+'/g) ?? [];
  return [
    ...codes.map((code) => code.slice(3, -1)),
    'PositionUnreadableError',
    'PositionLostError',
    'KafkaGrantError',
    'LakeChainError',
    'LakeFileMissingError',
    'WatchStateError',
    'TopicMissingError',
  ];
}

test('the runbook names every state in which a worker stops on purpose', () => {
  const runbook = readFileSync(RUNBOOK, 'utf8');
  expect(stops().length).toBeGreaterThan(15);
  expect(stops().filter((stop) => !runbook.includes(`\`${stop}\``))).toEqual([]);
});
