// A backtest over a lake: the same readings once under the rules in force and once under others. Reads, and writes nothing.
import { createAges } from '../domain/age.js';
import type { Attribute } from '../domain/attributes.js';
import { burdenOf, compareEpisodes, createReplay, NO_WARD, type PatientDays, type Replay } from '../domain/backtest.js';
import type { BacktestReport } from '../domain/backtest-page.js';
import type { EvaluationContext } from '../domain/evaluate.js';
import { hashId } from '../domain/identity.js';
import type { Patient } from '../domain/patient.js';
import type { Policy } from '../domain/policy.js';
import type { LakeStore } from '../domain/ports.js';
import type { ThresholdRow } from '../domain/threshold.js';
import { compileThresholds } from '../domain/threshold-table.js';
import { formatMicros } from '../domain/time.js';
import { lakeFiles } from '../lake/chain-reader.js';
import type { LocalCopies } from '../lake/local-copies.js';
import { type LakeSql, withLakeSql } from '../lake/query.js';
import { type Period, streamReadings } from '../lake/reading-stream.js';
import { newestLimits, newestPatients } from '../lake/reference-now.js';
import { SayError } from './explain.js';

/** Rules of one side. Undefined limits: the lake's newest. */
export interface BacktestSide {
  readonly name: string;
  readonly policy: Policy;
  readonly limits: readonly ThresholdRow[] | undefined;
}

export interface BacktestParts {
  readonly lake: LakeStore;
  readonly copies: LocalCopies;
  readonly attributes: readonly Attribute[];
  /** HOSPITAL_TIMEZONE. */
  readonly timeZone: string;
  readonly period: Period;
  readonly inForce: BacktestSide;
  readonly other: BacktestSide;
}

const TABLES = ['vital_info', 'patient', 'threshold'];

/** Throws SayError where the lake has no limits or no readings of the period, and what lake queries throw. */
export async function runBacktest(parts: BacktestParts): Promise<BacktestReport> {
  const { attributes, period } = parts;
  const ageAt = createAges(parts.timeZone);
  const files = (await lakeFiles(parts.lake)).filter(({ table }) => TABLES.includes(table));
  return withLakeSql(
    parts.lake,
    files,
    attributes,
    async (lake) => {
      const patients = await newestPatients(lake);
      const limits = await newestLimits(lake);
      const [inForce, other] = [parts.inForce, parts.other].map((side) =>
        createReplay({ ...contextOf(side, side.limits ?? limits, attributes, patients), ageAt }),
      ) as [Replay, Replay];
      const readings = await streamReadings(lake, attributes, period, (streamed) => {
        inForce.take(streamed.reading, streamed);
        other.take(streamed.reading, streamed);
      });
      if (readings === 0) throw new SayError('the lake has no readings of that period: see `wardwatch lake query`');
      const days = await patientDays(lake, period, patients);
      return {
        period: `${dayText(period.fromUs)} to ${dayText(period.toUs)} (UTC)`,
        readings,
        patientDays: days.total,
        names: { inForce: parts.inForce.name, other: parts.other.name },
        inForce: burdenOf(inForce.episodes(), days),
        other: burdenOf(other.episodes(), days),
        comparison: compareEpisodes(inForce.episodes(), other.episodes()),
      };
    },
    parts.copies,
  );
}

function contextOf(
  side: BacktestSide,
  limits: readonly ThresholdRow[],
  attributes: readonly Attribute[],
  patients: ReadonlyMap<string, Patient>,
): Omit<EvaluationContext, 'ageAt'> {
  if (limits.length === 0)
    throw new SayError('the lake has no limits: run `wardwatch import thresholds`, or name a file with --thresholds');
  return {
    limits: compileThresholds(limits, attributes),
    thresholdVersion: hashId(JSON.stringify(limits)),
    patientVersion: '',
    policy: side.policy,
    privacy: 'ids',
    patient: (id) => patients.get(id),
  };
}

async function patientDays(
  lake: LakeSql,
  { fromUs, toUs }: Period,
  patients: ReadonlyMap<string, Patient>,
): Promise<PatientDays> {
  const { rows } = await lake.query(
    `SELECT DISTINCT patient_id, strftime(recorded_at, '%Y-%m-%d') AS day FROM vital_info
     WHERE recorded_at >= make_timestamp(${fromUs}) AND recorded_at < make_timestamp(${toUs})`,
  );
  const byWard = new Map<string, number>();
  const byDay = new Map<string, number>();
  for (const { patient_id: id, day } of rows) {
    const ward = patients.get(String(id))?.ward ?? NO_WARD;
    byWard.set(ward, (byWard.get(ward) ?? 0) + 1);
    byDay.set(String(day), (byDay.get(String(day)) ?? 0) + 1);
  }
  return { total: rows.length, byWard, byDay };
}

function dayText(us: number): string {
  return formatMicros(us).slice(0, 'YYYY-MM-DDThh:mm'.length).replace('T', ' ').replace(' 00:00', '');
}
