// Limits for tests: the public version of the hospital's table (facts.md) and a short way to write rows.
import type { ThresholdRow } from '../../src/domain/threshold.js';

/** `[attribute, lowAge, highAge, lowValue, highValue, flag, message]`; severity high, no unit. */
export function limit(
  attribute: string,
  ages: readonly [number, number],
  values: readonly [number, number],
  flag: 0 | 1,
  more: Partial<ThresholdRow> = {},
): ThresholdRow {
  return {
    attribute,
    lowAge: ages[0],
    highAge: ages[1],
    lowValue: values[0],
    highValue: values[1],
    alert: flag === 1,
    message: `${attribute} ${values[0]}-${values[1]}`,
    severity: 'high',
    unit: null,
    ...more,
  };
}

const LOW_HEART = { message: 'Low Heart Rate than Normal' };
const HIGH_HEART = { message: 'Higher Heart Rate than Normal' };
const LOW_BP = { message: 'Low BP than Normal' };
const HIGH_BP = { message: 'Higher BP than Normal' };
const NORMAL = { message: 'Normal' };

export const SEED_LIMITS: readonly ThresholdRow[] = [
  limit('heartBeat', [0, 40], [0, 69], 1, LOW_HEART),
  limit('heartBeat', [0, 40], [70, 78], 0, NORMAL),
  limit('heartBeat', [0, 40], [79, 9999], 1, HIGH_HEART),
  limit('heartBeat', [41, 100], [0, 65], 1, LOW_HEART),
  limit('heartBeat', [41, 100], [66, 73], 0, NORMAL),
  limit('heartBeat', [41, 100], [74, 9999], 1, HIGH_HEART),
  limit('bp', [0, 40], [0, 160], 1, LOW_BP),
  limit('bp', [0, 40], [161, 220], 0, NORMAL),
  limit('bp', [0, 40], [221, 9999], 1, HIGH_BP),
  limit('bp', [41, 100], [0, 150], 1, LOW_BP),
  limit('bp', [41, 100], [151, 180], 0, NORMAL),
  limit('bp', [41, 100], [181, 9999], 1, HIGH_BP),
];

/** NEWS2's bands of temperature: one decimal, three severities. */
export const TEMPERATURE_LIMITS: readonly ThresholdRow[] = [
  limit('bodyTemperature', [16, 120], [10, 35], 1, { severity: 'high' }),
  limit('bodyTemperature', [16, 120], [35.1, 36], 1, { severity: 'low' }),
  limit('bodyTemperature', [16, 120], [36.1, 38], 0),
  limit('bodyTemperature', [16, 120], [38.1, 39], 1, { severity: 'low' }),
  limit('bodyTemperature', [16, 120], [39.1, 50], 1, { severity: 'medium' }),
];
