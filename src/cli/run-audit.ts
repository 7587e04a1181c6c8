// What `wardwatch audit` does.
import { runAudit } from '../../jobs/audit.js';
import { auditParts } from '../app/audit-parts.js';
import { createBase } from '../app/base.js';
import { claimLake, deploymentOf } from '../app/deployment.js';
import { SayError } from '../app/explain.js';
import { withConnections } from '../app/once.js';
import { EXIT } from '../app/process.js';
import { duration, ParseError } from '../config/parsers.js';
import { AuditImpossible, describeAudit } from '../domain/audit.js';
import type { CliContext } from './program.js';

const MS_PER_DAY = 86_400_000;
const ID = /^-?\d{1,20}$/;

export async function runAuditCommand(
  options: { readonly from?: string; readonly to?: string; readonly wait: string; readonly json?: boolean },
  context: CliContext,
): Promise<number> {
  const request = { from: idOf('--from', options.from), to: idOf('--to', options.to), waitMs: waitOf(options.wait) };
  const base = createBase({
    envFile: context.envFile(),
    needs: ['RDS_URL', 'KAFKA_BROKERS', 'LAKE_URL'],
    needsSource: true,
    quiet: true,
  });
  const deployment = deploymentOf(base.config);
  const report = await withConnections(base, async (connections) => {
    const [problem] = await claimLake(connections.lake(), deployment, false);
    if (problem) throw new SayError(`${problem.what}. ${problem.mend}`);
    return runAudit(auditParts({ ...base, connections, deployment, write: false }), request);
  }).catch((error: unknown) => {
    throw error instanceof AuditImpossible ? new SayError(error.message) : error;
  });
  context.out(options.json ? JSON.stringify(report) : describeAudit(report));
  return report.ok ? EXIT.ok : EXIT.failed;
}

function idOf(option: string, text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  if (!ID.test(text)) throw new SayError(`${option} ${text}: a row's id is a whole number`);
  return BigInt(text);
}

function waitOf(text: string): number {
  try {
    return duration(0, MS_PER_DAY)(text);
  } catch (error) {
    if (error instanceof ParseError) throw new SayError(`--wait ${text} ${error.message}`);
    throw error;
  }
}
