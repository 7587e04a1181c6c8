// The one table of vital signs: e-mail, console, lake and API take names and units from it. A row more is a sign more.

/** One vital sign. `unit` is UCUM, `loinc` its LOINC code, `plausible` the inclusive range a device can mean, `decimals` the rounding before it is compared. */
export interface Attribute {
  readonly name: string;
  readonly column: string;
  readonly unit: string;
  readonly loinc: string;
  readonly plausible: { readonly low: number; readonly high: number };
  readonly decimals: number;
}

/** Known signs; which of them a deployment reads is configuration. Sources: LOINC 8867-4, 8480-6, 8310-5, 2708-6, 9279-1. */
export const ATTRIBUTES: readonly Attribute[] = [
  {
    name: 'heartBeat',
    column: 'heartBeat',
    unit: '/min',
    loinc: '8867-4',
    plausible: { low: 0, high: 9999 },
    decimals: 0,
  },
  { name: 'bp', column: 'bp', unit: 'mm[Hg]', loinc: '8480-6', plausible: { low: 0, high: 9999 }, decimals: 0 },
  {
    name: 'bodyTemperature',
    column: 'bodyTemperature',
    unit: 'Cel',
    loinc: '8310-5',
    plausible: { low: 10, high: 50 },
    decimals: 1,
  },
  { name: 'spo2', column: 'spo2', unit: '%', loinc: '2708-6', plausible: { low: 0, high: 100 }, decimals: 0 },
  {
    name: 'respiratoryRate',
    column: 'respiratoryRate',
    unit: '/min',
    loinc: '9279-1',
    plausible: { low: 0, high: 200 },
    decimals: 0,
  },
];

/** What a deployment reads, and the known signs that it does not read: limits may name those too. */
export function knownAttributes(read: readonly Attribute[]): readonly Attribute[] {
  return [...read, ...ATTRIBUTES.filter(({ name }) => !read.some((own) => own.name === name))];
}
