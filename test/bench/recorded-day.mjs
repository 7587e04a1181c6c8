// A day of a synthetic ward, from a seed: monitors that read every few seconds, probes that slip, patients who hover at a limit, and real
// events whose begin and end are known. So one can count both what is told for nothing and what is missed.
import { seededRandom } from '../../ops/local/demo/random.mjs';

const HOUR_S = 3_600;
const DAY_S = 24 * HOUR_S;
const EVERY_S = 5;
/** Real events: as long as this at least, and every one of its readings is beyond the limit. */
const SHORTEST_EVENT_S = 60;
const LONGEST_EVENT_S = 1_800;
const EVENTS_A_DAY = 2;
/** Slipped probes and movement, per sign: mostly one reading, sometimes two. */
const SLIPS_A_DAY = 24;
/** One patient in five lives at the limit, a value now on this side and now on that. */
const HOVERING = 0.2;

/** NEWS2's normal values, where an event takes a sign, where a slip does, and how much a calm one varies. */
const SIGNS = {
  heartBeat: { calm: [62, 82], limit: 90, event: [115, 150], slip: 200, noise: 2, outside: 1, top: 250 },
  spo2: { calm: [97, 99], limit: 96, event: [84, 91], slip: 70, noise: 0.6, outside: -1, top: 100 },
  respiratoryRate: { calm: [13, 18], limit: 20, event: [24, 34], slip: 60, noise: 1, outside: 1, top: 100 },
};

/**
 * Answers {readings, events}. `readings()` is a generator of {patientId, second, values} in order of time; `events` are {patientId, attribute,
 * direction, fromS, toS}: values beyond the limit at every reading of that span.
 */
export function recordedDay({ patients, seed = 6, seconds = DAY_S }) {
  const random = seededRandom(seed);
  const between = ([low, high]) => low + random.next() * (high - low);
  const ward = Array.from({ length: patients }, (_, i) => {
    const patientId = `day-${i + 1}`;
    const signs = Object.entries(SIGNS).map(([attribute, sign]) => ({
      ...{ attribute, sign, level: between(sign.calm), drift: 0, slipping: 0 },
      hovers: random.chance(HOVERING),
      events: eventsOf(random, { patientId, attribute, sign, seconds, between }),
    }));
    return { patientId, signs };
  });
  return {
    events: ward.flatMap(({ signs }) => signs.flatMap(({ events }) => events)),
    *readings() {
      for (let second = 0; second < seconds; second += EVERY_S)
        for (const { patientId, signs } of ward) {
          const values = {};
          for (const one of signs) values[one.attribute] = valueAt(random, one, second);
          yield { patientId, second, values };
        }
    },
  };
}

function eventsOf(random, { patientId, attribute, sign, seconds, between }) {
  const direction = sign.outside > 0 ? 'high' : 'low';
  const count = Math.round((EVENTS_A_DAY * seconds) / DAY_S / Object.keys(SIGNS).length + random.next() - 0.5);
  return Array.from({ length: Math.max(0, count) }, () => {
    const length = between([SHORTEST_EVENT_S, LONGEST_EVENT_S]);
    const fromS = Math.ceil((random.next() * (seconds - length)) / EVERY_S) * EVERY_S;
    return {
      patientId,
      attribute,
      direction,
      fromS,
      toS: Math.floor((fromS + length) / EVERY_S) * EVERY_S,
      level: between(sign.event),
    };
  });
}

/** Whole numbers, as monitors write them. */
function valueAt(random, one, second) {
  const { sign, events } = one;
  const event = events.find(({ fromS, toS }) => second >= fromS && second <= toS);
  if (event) return Math.round(event.level);
  if (one.slipping > 0) {
    one.slipping -= 1;
    return sign.slip;
  }
  if (random.chance((SLIPS_A_DAY * EVERY_S) / DAY_S)) {
    one.slipping = random.chance(0.2) ? 1 : 0;
    return sign.slip;
  }
  one.drift = 0.9 * one.drift + (random.next() - 0.5) * sign.noise;
  return Math.min(Math.round((one.hovers ? sign.limit : one.level) + one.drift), sign.top);
}
