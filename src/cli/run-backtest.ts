// What `wardwatch backtest` does.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type BacktestSide, runBacktest } from '../app/backtest.js';
import { createBase } from '../app/base.js';
import { lakeCopies } from '../app/connections.js';
import { SayError } from '../app/explain.js';
import { withConnections } from '../app/once.js';
import { EXIT } from '../app/process.js';
import type { Config } from '../config/load.js';
import { parsePolicyFile, policyOf } from '../config/policy-file.js';
import { ConfigError } from '../config/problems.js';
import { knownAttributes } from '../domain/attributes.js';
import { type BacktestReport, backtestPage } from '../domain/backtest-page.js';
import { contentOfThresholdsFile } from '../domain/import-content.js';
import { thresholdOfEntry } from '../domain/import-version.js';
import type { Policy } from '../domain/policy.js';
import type { ThresholdRow } from '../domain/threshold.js';
import { parseMicros } from '../domain/time.js';
import type { BacktestOptions } from './backtest.js';
import type { CliContext } from './program.js';
import { readCsv } from './run-import.js';

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const IN_FORCE = 'in force';
/** Patient ids stand in it. */
const OWNER_ONLY = 0o600;

export async function runBacktestCommand(options: BacktestOptions, context: CliContext): Promise<number> {
  const period = { fromUs: dayOf('--from', options.from), toUs: dayOf('--to', options.to) };
  if (period.fromUs >= period.toUs) throw new SayError('--to is the day after the last one: it must come after --from');
  if (options.policy === undefined && options.thresholds === undefined)
    throw new SayError('nothing to compare with: name a policy with --policy, limits with --thresholds, or both');
  const base = createBase({ envFile: context.envFile(), needs: ['LAKE_URL'], quiet: true });
  const { config } = base;
  const inForce: BacktestSide = { name: IN_FORCE, policy: config.policy, limits: undefined };
  const other: BacktestSide = {
    name: [options.policy, options.thresholds]
      .flatMap((file) => (file === undefined ? [] : [basename(file)]))
      .join(', '),
    policy: options.policy === undefined ? config.policy : readPolicy(options.policy, config.policy),
    limits: options.thresholds === undefined ? undefined : readLimits(options.thresholds, config),
  };
  const report = await withConnections(base, (connections) =>
    runBacktest({
      ...{ lake: connections.lake(), copies: lakeCopies(base), attributes: config.attributes },
      timeZone: config.settings.HOSPITAL_TIMEZONE,
      ...{ period, inForce, other },
    }),
  );
  try {
    writeFileSync(options.out, backtestPage(report), { mode: OWNER_ONLY });
  } catch (error) {
    throw new SayError(`${options.out} can't be written (${String((error as { code?: unknown }).code)})`);
  }
  context.out(options.json ? JSON.stringify(summaryOf(report)) : describe(report, options.out));
  return EXIT.ok;
}

function dayOf(option: string, text: string): number {
  const us = DAY.test(text) ? parseMicros(`${text}T00:00:00Z`) : undefined;
  if (us === undefined) throw new SayError(`${option} ${text}: a day is written YYYY-MM-DD`);
  return us;
}

/** What the file leaves to settings stays as it is in force. */
function readPolicy(file: string, inForce: Policy): Policy {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new SayError(`${file} can't be read (${String((error as { code?: unknown }).code)})`);
  }
  const { value, problems } = parsePolicyFile(text, file);
  if (!value) throw new ConfigError(problems);
  const topic = inForce.routes.at(-1)?.topic;
  return policyOf(value, { topic, alertMaxAgeMs: inForce.alertMaxAgeMs, alertMaxAgeGiven: false });
}

function readLimits(file: string, config: Config): readonly ThresholdRow[] {
  const { attributes } = config;
  const options = { attributes: knownAttributes(attributes), configured: attributes.map(({ name }) => name) };
  const content = contentOfThresholdsFile(readCsv(file), options);
  if (content.problems.length > 0) throw new SayError(content.problems.map((problem) => `✗ ${problem}`).join('\n'));
  return content.entries.map(thresholdOfEntry);
}

function summaryOf(report: BacktestReport) {
  const { same, added, gone, earlier, later } = report.comparison;
  const counts = { same, added: added.length, gone: gone.length, earlier: earlier.length, later: later.length };
  return { ...report, comparison: counts };
}

function describe(report: BacktestReport, out: string): string {
  const { names, inForce, other } = report;
  const { same, added, gone, earlier, later } = summaryOf(report).comparison;
  const side = (name: string, alarms: number, rate: number) =>
    `  ${name}: ${alarms} alarms, ${rate.toFixed(2)} a patient-day`;
  return [
    `${report.period}: ${report.readings} readings, ${report.patientDays} patient-days`,
    side(names.inForce, inForce.alarms, inForce.perPatientDay),
    side(names.other, other.alarms, other.perPatientDay),
    `  ${same} the same, ${earlier} earlier, ${later} later, ${added} new, ${gone} gone`,
    `✓ ${out} has tables and charts; it names patients by their id`,
  ].join('\n');
}
