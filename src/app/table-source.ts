// The hospital's reference tables as imports and the lookup read them, under the names and modes of wardwatch.yaml.
import type { TableSource } from '../domain/import-source.js';
import { createTableSource } from '../mysql/table-source.js';
import { newToken } from './connections.js';
import type { LookParts } from './looks.js';

export function tableSourceOf({ config, connections, clock, log }: LookParts): TableSource {
  const { patients, thresholds } = config.imports;
  const columnOf = ({ mode, checkColumn }: typeof patients) => (mode === 'append' ? checkColumn : null);
  return createTableSource(connections.rds(), {
    patients: config.patients,
    thresholds: config.thresholds,
    append: {
      clock,
      log,
      newNonce: newToken,
      checkColumns: { patients: columnOf(patients), thresholds: columnOf(thresholds) },
    },
  });
}
