// The demo's command line: what it takes, and that it refuses before anything starts.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseOptions, problemsOfFiles } from '../../../../ops/local/demo/options.mjs';

const problemsOf = (...words: string[]) => parseOptions(words, false).problems;
const optionsOf = (...words: string[]) => parseOptions(words, false).options;

test('runs a minute where nobody watches, and until Ctrl-C on a terminal', () => {
  expect(parseOptions([], false).options).toMatchObject({
    forMs: 60_000,
    view: false,
    thresholds: 'seed',
    keep: false,
  });
  expect(parseOptions([], true).options).toMatchObject({ forMs: null, view: true });
  expect(parseOptions(['--for', '5s'], true).options).toMatchObject({ forMs: 5_000, view: true });
});

test.each([
  [['--for', '90s'], { forMs: 90_000 }],
  [['--for=1.5m'], { forMs: 90_000 }],
  [['--report', 'x.json', '--keep'], { report: 'x.json', keep: true }],
  [['--thresholds=news2', '--stack', 'docker'], { thresholds: 'news2', stack: 'docker' }],
  [['--patients', '50', '--excursions=0'], { patients: 50, excursions: 0 }],
  [['--lake', 'hdfs'], { lake: 'hdfs' }],
  [['-h'], { help: true }],
])('%j', (words, expected) => {
  expect(optionsOf(...words)).toMatchObject(expected);
});

test.each([
  [['--for', '5'], '--for 5: a number with'],
  [['--for', '0s'], '--for 0s: a number with'],
  [['--for', '900h'], '--for 900h: a number with'],
  [['--for'], '--for takes a value'],
  [['--report', '--keep'], '--report takes a value'],
  [['--stack', 'k8s'], '--stack k8s: one of native, docker'],
  [['--lake', 's3'], '--lake s3: one of folder, hdfs'],
  [['--patients', '4'], '--patients 4: a whole number'],
  [['--excursions', '2'], '--excursions 2: a number from 0 to 1'],
  [['--verbose'], '--verbose is no option'],
])('refuses %j', (words, message) => {
  expect(problemsOf(...words)).toEqual([expect.stringContaining(message)]);
});

test('says everything that is wrong at once', () => {
  expect(problemsOf('--for', 'x', '--nope', '--patients')).toHaveLength(3);
});

describe('files', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'wardwatch-test-options-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('a report that can be written and limits that can be read are no problem', () => {
    expect(problemsOfFiles({ report: join(folder, 'new.json'), thresholds: 'ops/sql/thresholds-seed.csv' })).toEqual(
      [],
    );
    expect(problemsOfFiles({ report: null, thresholds: 'news2' })).toEqual([]);
  });

  test('others are named before the demo begins', () => {
    const report = join(folder, 'none/report.json');
    expect(problemsOfFiles({ report, thresholds: 'new2' })).toEqual([
      `--report ${report}: can't be written`,
      '--thresholds new2: neither seed nor news2, nor a file that can be read',
    ]);
    expect(problemsOfFiles({ report: folder, thresholds: folder })).toEqual([
      `--report ${folder}: that is a folder`,
      expect.stringContaining('nor a file that can be read'),
    ]);
  });
});
