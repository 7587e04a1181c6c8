// The demo's hospital: patients that never lived, and what is normal for each by the loaded table.

const FIRST = [
  'Ada',
  'Bela',
  'Cora',
  'Dario',
  'Edda',
  'Femi',
  'Gita',
  'Hugo',
  'Ines',
  'Jonas',
  'Kaya',
  'Luis',
  'Mina',
  'Nils',
  'Olga',
  'Pavel',
  'Rosa',
  'Sven',
  'Tara',
  'Yusuf',
];
const LAST = [
  'Abel',
  'Brandt',
  'Calder',
  'Dietz',
  'Engel',
  'Falk',
  'Greco',
  'Horn',
  'Ibsen',
  'Juhl',
  'Kern',
  'Lund',
  'Moreau',
  'Novak',
  'Okoye',
  'Petit',
  'Quist',
  'Rossi',
  'Stein',
  'Toth',
];
const STREETS = ['Mill Lane', 'Station Road', 'Orchard Way', 'Harbour Street', 'Chapel Hill'];
const WARDS = ['3A', '3B', '4A', '4B', 'ICU'];
const AGES = { low: 16, high: 95 };

/** Of the scripted patient alone: so its alerts have a route of their own. */
export const SCRIPTED_WARD = 'HDU';

/** The one whose heart the script follows. */
export const SCRIPTED_PATIENT_ID = '1';

/** `count` made-up patients as rows of patients_information. */
export function makePatients(random, count) {
  return Array.from({ length: count }, (_, i) => ({
    patientid: String(i + 1),
    patientname: `${FIRST[i % FIRST.length]} ${LAST[Math.floor(i / FIRST.length + i) % LAST.length]}`,
    patientaddress: `${random.int(1, 99)} ${random.pick(STREETS)}`,
    phone_number: `555-${String(random.int(0, 9999)).padStart(4, '0')}`,
    admitted_ward: i === 0 ? SCRIPTED_WARD : random.pick(WARDS),
    age: i === 0 ? 58 : random.int(AGES.low, AGES.high),
    other_details: 'demo',
  }));
}

/**
 * What a patient of this age should show, by the loaded limits: for each attribute its normal band,
 * and one value beyond it on each side where the table knows abnormal ones there.
 */
export function normalFor(age, thresholds, decimalsOf) {
  const signs = {};
  for (const attribute of new Set(thresholds.map((row) => row.attribute))) {
    const rows = thresholds.filter((row) => row.attribute === attribute && row.lowAge <= age && age <= row.highAge);
    const normal = rows.find((row) => !row.alert);
    if (!normal) continue;
    const above = rows
      .filter((row) => row.alert && row.lowValue > normal.highValue)
      .sort((a, b) => b.lowValue - a.lowValue)[0];
    const below = rows
      .filter((row) => row.alert && row.highValue < normal.lowValue)
      .sort((a, b) => a.highValue - b.highValue)[0];
    signs[attribute] = {
      low: normal.lowValue,
      high: normal.highValue,
      decimals: decimalsOf(attribute),
      tooHigh: above ? above.lowValue : null,
      tooLow: below ? below.highValue : null,
    };
  }
  return signs;
}
