// Alarm burden of a recorded synthetic day: the default policy beside one that waits 15 s and wants a clear margin, by the backtest's own replay.
import { parsePolicyFile, policyOf } from '../../dist/src/config/policy-file.js';
import { ATTRIBUTES } from '../../dist/src/domain/attributes.js';
import { createReplay } from '../../dist/src/domain/backtest.js';
import { compileThresholds } from '../../dist/src/domain/threshold-table.js';
import { formatMicros } from '../../dist/src/domain/time.js';
import { loadLimits } from '../../ops/local/demo/limits.mjs';
import { recordedDay } from './recorded-day.mjs';

const START_US = Date.UTC(2026, 10, 24) * 1_000;
const US_PER_S = 1_000_000;
const DAY_S = 86_400;
const AGE = 50;
const WAITING = `sustain: 15s
attributes:
  heartBeat: { clearMargin: 3 }
  spo2: { clearMargin: 1 }
  respiratoryRate: { clearMargin: 2 }
`;

/** Answers {readings, patientDays, events, policies: {name: {alarms, perPatientDay, missed, laterS, worstLaterS}}}; `laterS` is the median from an event's begin to its alarm, `worstLaterS` the longest, seconds. */
export function measureBurden({ patients, seconds = DAY_S }) {
  const day = recordedDay({ patients, seconds });
  const replays = { default: replay('{}'), 'sustain 15 s, clear margin': replay(WAITING) };
  let row = 0;
  for (const { patientId, second, values } of day.readings()) {
    row += 1;
    const eventUs = START_US + second * US_PER_S;
    const iso = formatMicros(eventUs);
    const times = { recordedAt: iso, readAt: iso, notBefore: iso, timeSource: 'row' };
    const reading = { v: 1, source: 'day', row: String(row), patientId, ...times, values, bad: {}, other: {} };
    for (const one of Object.values(replays)) one.take(reading, { eventUs, readUs: eventUs, clock: null, nowIso: iso });
  }
  const patientDays = (patients * seconds) / DAY_S;
  const policies = Object.fromEntries(
    Object.entries(replays).map(([name, one]) => [name, figures(day.events, one.episodes(), patientDays)]),
  );
  return { readings: row, patientDays, events: day.events.length, policies };
}

function replay(yaml) {
  const { value } = parsePolicyFile(yaml, 'policy.yaml');
  const policy = policyOf(value, {
    topic: 'arn:aws:sns:eu-central-1:123456789012:doctors',
    alertMaxAgeMs: 900_000,
    alertMaxAgeGiven: true,
  });
  const person = { name: null, address: null, phone: null, ward: '4B', age: AGE, otherDetails: null };
  return createReplay({
    ...{
      limits: compileThresholds(loadLimits('news2').rows, ATTRIBUTES),
      thresholdVersion: 'news2',
      patientVersion: '',
    },
    ...{ policy, privacy: 'ids', patient: (id) => ({ id, ...person }), ageAt: ({ age }) => age },
  });
}

/** An event is missed where no alarm of its patient, sign and direction lies over it. */
function figures(events, episodes, patientDays) {
  const laterS = [];
  for (const { patientId, attribute, direction, fromS, toS } of events) {
    const [fromUs, toUs] = [fromS, toS].map((second) => START_US + second * US_PER_S);
    const told = episodes.find(
      (one) =>
        one.patientId === patientId &&
        one.attribute === attribute &&
        one.direction === direction &&
        one.raisedUs <= toUs &&
        (one.resolvedUs ?? Number.POSITIVE_INFINITY) >= fromUs,
    );
    if (told) laterS.push(Math.max(0, (told.raisedUs - fromUs) / US_PER_S));
  }
  laterS.sort((a, b) => a - b);
  return {
    alarms: episodes.length,
    perPatientDay: Number((episodes.length / patientDays).toFixed(1)),
    missed: events.length - laterS.length,
    laterS: laterS[Math.floor(laterS.length / 2)] ?? null,
    worstLaterS: laterS.at(-1) ?? null,
  };
}
