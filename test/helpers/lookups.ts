// A lookup in memory for tests of watch: limits and patients that the test changes, and a way through to more patients.
import type { Lookup, LookupView } from '../../src/domain/lookup.js';
import type { Patient } from '../../src/domain/patient.js';
import type { ThresholdRow } from '../../src/domain/threshold.js';

export interface FakeLookup extends Lookup {
  /** Puts a new version in force. */
  load(
    thresholds: readonly ThresholdRow[],
    patients: readonly Patient[],
    versions?: { thresholds: string; patients: string },
  ): void;
  /** Patients that only `resolve` finds. */
  readonly behind: Map<string, Patient>;
  /** The ids of each call of `resolve`. */
  readonly asked: string[][];
  /** Called inside `resolve`. */
  onResolve: () => void;
}

export function testPatient(id: string, more: Partial<Patient> = {}): Patient {
  return {
    id,
    name: `Name of ${id}`,
    address: null,
    phone: null,
    ward: '4B',
    age: 30,
    otherDetails: null,
    ...more,
  };
}

export function fakeLookup(): FakeLookup {
  const empty = new Map<string, Patient>();
  const make = (rows: readonly ThresholdRow[], patients: Map<string, Patient>, t: string, p: string): LookupView => ({
    thresholds: rows,
    thresholdVersion: t,
    patientVersion: p,
    patient: (id) => patients.get(id),
  });
  let memory = empty;
  let view = make([], empty, '', '');
  const lookup: FakeLookup = {
    behind: new Map(),
    asked: [],
    onResolve: () => undefined,
    load: (thresholds, patients, versions = { thresholds: 't1', patients: 'p1' }) => {
      memory = new Map(patients.map((patient) => [patient.id, patient]));
      view = make(thresholds, memory, versions.thresholds, versions.patients);
    },
    current: () => view,
    hasThresholds: () => view.thresholdVersion !== '',
    resolve: async (ids) => {
      lookup.asked.push([...ids]);
      lookup.onResolve();
      for (const id of ids) {
        const found = lookup.behind.get(id);
        if (found) memory.set(id, found);
      }
    },
  };
  return lookup;
}
