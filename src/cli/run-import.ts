// What `wardwatch import` does.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { runImport } from '../../jobs/import-run.js';
import { createBase } from '../app/base.js';
import { deploymentOf } from '../app/deployment.js';
import { SayError } from '../app/explain.js';
import { lookAtLake } from '../app/look-at-lake.js';
import { lookAtRedis } from '../app/looks.js';
import { withConnections } from '../app/once.js';
import { EXIT } from '../app/process.js';
import { importParts } from '../app/wire-import.js';
import { ConfigError } from '../config/problems.js';
import type { ImportTable } from '../domain/import-settings.js';
import type { CliContext } from './program.js';

/** 0: a version is in force. 1: refused, or there was nothing to load. */
export async function runImportCommand(
  table: ImportTable,
  file: string | undefined,
  context: CliContext,
): Promise<number> {
  const base = createBase({ envFile: context.envFile(), roles: ['import'], needsSource: true, quiet: true });
  const bytes = file === undefined ? undefined : readCsv(file);
  const result = await withConnections(base, async (connections) => {
    const parts = { ...base, connections, deployment: deploymentOf(base.config), write: true };
    const problems = [...(await lookAtRedis(parts)), ...(await lookAtLake(parts))];
    if (problems.length > 0) throw new ConfigError(problems);
    return runImport(
      table,
      importParts(parts),
      file !== undefined && bytes ? { file: { name: basename(file), bytes } } : {},
    );
  });
  for (const warning of result.warnings) context.out(`! ${warning}`);
  for (const problem of result.problems) context.out(`✗ ${problem}`);
  const { outcome, rows, added, changed, deleted } = result;
  switch (outcome) {
    case 'changed':
    case 'unchanged':
    case 'restored':
      context.out(
        `✓ ${table}: ${outcome}, ${rows} rows in force (${added} added, ${changed} changed, ${deleted} deleted)`,
      );
      return EXIT.ok;
    case 'refused':
      context.out(`✗ ${table}: refused; the last good version stays in force`);
      return EXIT.failed;
    case 'nothing':
      context.out(`✗ ${table}: there is no table, no file and no earlier version; load one with --file`);
      return EXIT.failed;
    case 'skipped':
      context.out(`✗ ${table}: another import of it is running; try again when it has ended`);
      return EXIT.failed;
  }
}

export function readCsv(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new SayError(`${file} can't be read (${String((error as { code?: unknown }).code)})`);
  }
}
