// `wardwatch backtest` over a lake that the archive's own code wrote: its counts against a plain recount, and a report that is a file of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLake } from '../../src/lake/open-lake.js';
import { SEED_LIMITS } from '../helpers/limits.js';
import { reading } from '../helpers/readings.js';
import { archiveMessages, importReferenceTables } from '../helpers/small-lake.js';

const main = resolve(import.meta.dirname, '../../dist/src/main.js');
const PATIENTS = 3;
const SECONDS = 600;
const HIGH = 190;
/** Abnormal for `length` seconds every two minutes: a blip of 5 s, then a spell of 40 s. */
const SPELLS = [5, 40, 5, 40, 5];
let folder: string;
let url: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'wardwatch-backtest-'));
  url = pathToFileURL(join(folder, 'lake')).href;
  const store = openLake({ url, hdfsUser: 'nobody' });
  const patients = Array.from({ length: PATIENTS }, (_, i) => ({
    ...{ id: `p${i}`, name: null, address: null, phone: null, otherDetails: null },
    ...{ ward: i === 0 ? 'ICU' : '4B', age: 40 },
  }));
  await importReferenceTables(store, { patients: patients as never, limits: SEED_LIMITS });
  const messages = Array.from({ length: PATIENTS * SECONDS }, (_, n) => {
    const second = Math.floor(n / PATIENTS);
    const inSpell = second % 120 < (SPELLS[Math.floor(second / 120)] ?? 0);
    return reading(n, `p${n % PATIENTS}`, { heartBeat: inSpell ? HIGH : 70 }, second);
  });
  await archiveMessages(store, { attributes: ['heartBeat', 'bp'], messages });
});

afterAll(() => rmSync(folder, { recursive: true }));

async function backtest(...options: string[]) {
  const args = [main, 'backtest', '--from', '2026-11-24', '--to', '2026-11-25', ...options];
  const env = { PATH: process.env.PATH, LAKE_URL: url };
  const child = spawn(process.execPath, args, { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code, out, err };
}

describe('wardwatch backtest', () => {
  it('counts the alarms in force, and those of another policy, and writes a page that only its owner reads', async () => {
    const policy = join(folder, 'calm.yaml');
    // Two minutes of calm: no spell ends before the next one begins.
    writeFileSync(policy, 'clearAfter: 118s\n');
    const page = join(folder, 'report.html');
    const { code, out } = await backtest('--policy', policy, '--out', page, '--json');
    expect(code).toBe(0);
    const report = JSON.parse(out);
    expect(report).toMatchObject({ readings: PATIENTS * SECONDS, patientDays: PATIENTS });
    expect(report.inForce).toMatchObject({ alarms: PATIENTS * SPELLS.length, perPatientDay: SPELLS.length });
    expect(report.other).toMatchObject({ alarms: PATIENTS });
    expect(report.comparison).toEqual({
      same: PATIENTS,
      added: 0,
      gone: PATIENTS * (SPELLS.length - 1),
      earlier: 0,
      later: 0,
    });
    expect(report.inForce.byWard).toEqual([
      { name: '4B', alarms: 2 * SPELLS.length, perPatientDay: SPELLS.length },
      { name: 'ICU', alarms: SPELLS.length, perPatientDay: SPELLS.length },
    ]);
    expect(readFileSync(page, 'utf8')).toContain('What would change');
    expect(statSync(page).mode & 0o777).toBe(0o600);
  });

  it('takes limits from a file: with a normal band up to 200 nothing is left', async () => {
    const limits = join(folder, 'wide.csv');
    writeFileSync(
      limits,
      'attribute,low_age_limit,high_age_limit,low_value,high_value,alert_flag,alert_message\nheartBeat,0,150,0,200,0,normal\nheartBeat,0,150,201,400,1,high\nbp,0,150,0,1000,0,normal\n',
    );
    const { code, out } = await backtest('--thresholds', limits, '--out', join(folder, 'wide.html'));
    expect(code).toBe(0);
    expect(out).toContain('wide.csv: 0 alarms');
    expect(out).toContain(`${PATIENTS * SPELLS.length} gone`);
  });

  it.each([
    [['--policy', '/nowhere.yaml'], "/nowhere.yaml can't be read (ENOENT)"],
    [[], 'nothing to compare with'],
    [['--from', '2026-13-01', '--thresholds', 'x.csv'], 'a day is written YYYY-MM-DD'],
    [['--from', '2026-11-26', '--thresholds', 'x.csv'], '--to is the day after the last one'],
  ])('%s: says what is wrong', async (options, words) => {
    const { code, err } = await backtest(...options);
    expect(code).toBe(2);
    expect(err).toContain(words);
  });
});
