// `wardwatch audit` as any test asks it: by the real program with a deployment's settings, or one that says so in its failure.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import type { AuditReport } from '../../src/domain/audit.js';
import { describeAudit } from '../../src/domain/audit.js';
import { MAIN } from './deployment.js';

/** Waiting for archive and watch included; a bound for what hangs. */
const WITHIN_MS = 300_000;
const LARGEST_REPORT_BYTES = 64 * 1024 * 1024;

/** The report, whether it holds or not. Throws with the program's words where it could not be asked. */
export async function auditOf(
  deployment: { readonly env: Readonly<Record<string, string>> },
  ...args: readonly string[]
): Promise<AuditReport> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN, 'audit', '--json', ...args], {
    env: deployment.env,
    timeout: WITHIN_MS,
    maxBuffer: LARGEST_REPORT_BYTES,
  }).catch((error: { readonly stdout?: string; readonly stderr?: string }) => ({
    stdout: error.stdout ?? '',
    stderr: error.stderr ?? '',
  }));
  try {
    return JSON.parse(stdout) as AuditReport;
  } catch {
    throw new Error(`audit: ${stdout}${stderr}`);
  }
}

/** Fails with the whole report where the equation does not hold. Nothing was deleted in the source, unless `gone` says how many rows. */
export async function expectAuditHolds(
  deployment: { readonly env: Readonly<Record<string, string>> },
  options: { readonly gone?: number; readonly args?: readonly string[] } = {},
): Promise<AuditReport> {
  const report = await auditOf(deployment, ...(options.args ?? []));
  expect(report.ok, describeAudit(report)).toBe(true);
  expect(report.apart['ids since deleted in RDS']?.count, describeAudit(report)).toBe(options.gone ?? 0);
  return report;
}
