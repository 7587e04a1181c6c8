// The demo's patients: the same for the same seed, and normal by whatever limits are loaded.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { seededRandom } from '../../../../ops/local/demo/random.mjs';
import { makePatients, normalFor, SCRIPTED_PATIENT_ID } from '../../../../ops/local/demo/ward.mjs';
import { ATTRIBUTES } from '../../../../src/domain/attributes.js';
import { contentOfThresholdsFile } from '../../../../src/domain/import-content.js';
import { thresholdOfEntry } from '../../../../src/domain/import-version.js';

const decimalsOf = (name: string) => ATTRIBUTES.find((attribute) => attribute.name === name)?.decimals ?? 0;
const limitsOf = (which: string) =>
  contentOfThresholdsFile(readFileSync(`ops/sql/thresholds-${which}.csv`), {}).entries.map(thresholdOfEntry);

test('the same seed makes the same ward, another seed another', () => {
  const ward = (seed: number) => makePatients(seededRandom(seed), 200);
  expect(ward(1)).toEqual(ward(1));
  expect(ward(1)).not.toEqual(ward(2));
});

test('ids are unique, several wards are in use, and the scripted patient is among them', () => {
  const patients = makePatients(seededRandom(7), 200);
  expect(new Set(patients.map(({ patientid }) => patientid)).size).toBe(200);
  expect(new Set(patients.map(({ admitted_ward }) => admitted_ward)).size).toBeGreaterThan(2);
  expect(patients.map(({ patientid }) => patientid)).toContain(SCRIPTED_PATIENT_ID);
});

test.each(['seed', 'news2'])('every patient is normal by the limits of %s, and knows values beyond them', (which) => {
  const limits = limitsOf(which);
  for (const { age } of makePatients(seededRandom(7), 200)) {
    const signs = Object.entries(normalFor(age, limits, decimalsOf)) as [string, Record<string, number | null>][];
    expect(signs.map(([name]) => name)).toEqual([...new Set(limits.map(({ attribute }) => attribute))]);
    for (const [name, { low, high, tooLow, tooHigh }] of signs) {
      const alarmed = (value: number) =>
        limits.some(
          (row) =>
            row.alert &&
            row.attribute === name &&
            row.lowAge <= age &&
            age <= row.highAge &&
            row.lowValue <= value &&
            value <= row.highValue,
        );
      expect([low, high].map((value) => alarmed(value as number))).toEqual([false, false]);
      const beyond = [tooLow, tooHigh].filter((value) => value !== null && value !== undefined);
      expect(beyond.length).toBeGreaterThan(0);
      expect(beyond.every(alarmed)).toBe(true);
    }
  }
});

test('an age or a vital sign that the limits do not know is not shown', () => {
  expect(normalFor(150, limitsOf('seed'), decimalsOf)).toEqual({});
});
