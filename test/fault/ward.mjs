// A ward for chaos: the demo's hospital and simulator, which goes on when the database dies under it.
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import { ATTRIBUTES } from '../../dist/src/domain/attributes.js';
import { DEFAULT_PATIENTS, DEFAULT_THRESHOLDS, DEFAULT_VITALS } from '../../dist/src/domain/mapping.js';
import { sourceTablesSql } from '../../dist/src/domain/source-tables.js';
import { setUpHospital } from '../../ops/local/demo/hospital.mjs';
import { loadLimits } from '../../ops/local/demo/limits.mjs';
import { createSimulator } from '../../ops/local/demo/simulator.mjs';

const LIMITS_MAPPING = { ...DEFAULT_THRESHOLDS, severity: 'severity' };
const AGAIN_AFTER_MS = 500;

export async function createWard({ rdsUrl, name, patients, excursionShare, random, say }) {
  const { rows: limits } = loadLimits('seed');
  const hospital = await setUpHospital({
    mysql,
    rdsUrl,
    name,
    password: randomBytes(12).toString('hex'),
    tablesFor: (attributes) =>
      sourceTablesSql({
        vitals: { ...DEFAULT_VITALS, attributes },
        patients: DEFAULT_PATIENTS,
        thresholds: LIMITS_MAPPING,
      }),
    thresholds: limits,
    knownAttributes: ATTRIBUTES,
    patientCount: patients,
    random,
  });
  const total = { commits: 0, rollbacks: 0, broken: 0 };
  let simulator;
  let running = false;
  let life = Promise.resolve();

  const live = async () => {
    while (running) {
      simulator = createSimulator({
        pool: hospital.pool,
        patients: hospital.patients,
        attributes: hospital.attributes,
        random,
        nowMs: () => Date.now(),
        excursionShare,
      });
      await simulator.start().catch(() => {
        total.broken += 1;
      });
      const { commits, rollbacks } = await simulator.stop();
      total.commits += commits;
      total.rollbacks += rollbacks;
      if (running) {
        say('the ward lost its database');
        await pause(AGAIN_AFTER_MS);
      }
    }
  };

  return {
    ...hospital,
    limits,
    config: {
      attributes: hospital.attributes.map((attribute) => attribute.name),
      source: { thresholds: LIMITS_MAPPING },
    },
    start: () => {
      running = true;
      life = live();
    },
    stop: async () => {
      running = false;
      await simulator?.stop();
      await life;
      return total;
    },
    end: () => hospital.pool.end(),
  };
}
