// The hospital's reference tables as imports and the lookup read them, under the names and modes of wardwatch.yaml.
import type { TableSource } from '../domain/import-source.js';
import { createTableSource } from '../mysql/table-source.js';
import { newToken } from './connections.js';
import type { LookParts } from './looks.js';

export function tableSourceOf({ config, connections, clock, log }: LookParts): TableSource {
  const { patients, thresholds } = config.imports;
  const modeOf = ({ mode, checkColumn }: typeof patients) =>
    mode === 'full' || checkColumn === null ? null : { mode, checkColumn };
  return createTableSource(connections.rds(), {
    patients: config.patients,
    thresholds: config.thresholds,
    increments: {
      clock,
      log,
      newNonce: newToken,
      timezone: config.settings.RDS_TIMEZONE,
      of: { patients: modeOf(patients), thresholds: modeOf(thresholds) },
    },
  });
}
