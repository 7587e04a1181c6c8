// What `wardwatch lake query` does.
import { createBase } from '../app/base.js';
import { lakeCopies } from '../app/connections.js';
import { isOurs, SayError } from '../app/explain.js';
import { withConnections } from '../app/once.js';
import { EXIT } from '../app/process.js';
import { type LakeValue, lakeQuery } from '../lake/query.js';
import type { CliContext } from './program.js';
import { renderColumns } from './text-table.js';

/** The person asked for these rows: patient data goes to standard output and nowhere else. */
export async function runLakeQuery(sql: string, json: boolean, context: CliContext): Promise<number> {
  const base = createBase({ envFile: context.envFile(), needs: ['LAKE_URL'], quiet: true });
  const result = await withConnections(base, (connections) =>
    lakeQuery(connections.lake(), sql, base.config.attributes, lakeCopies(base)),
  ).catch((error: unknown) => {
    // DuckDB's own words on a wrong statement quote nothing but the statement.
    if (isOurs(error) || !(error instanceof Error)) throw error;
    throw new SayError(error.message);
  });
  if (json) context.out(JSON.stringify(result.rows));
  else {
    const cell = (value: LakeValue | undefined) =>
      value === null || value === undefined
        ? 'NULL'
        : typeof value === 'object'
          ? JSON.stringify(value)
          : String(value);
    context.out(
      renderColumns(
        result.columns,
        result.rows.map((row) => result.columns.map((column) => cell(row[column]))),
      ),
    );
    context.out(`(${result.rows.length} rows)`);
  }
  return EXIT.ok;
}
