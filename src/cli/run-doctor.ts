// What `wardwatch doctor` does.
import { createBase } from '../app/base.js';
import { deploymentOf } from '../app/deployment.js';
import { type CheckResult, type Finding, failed, renderChecks, runChecks } from '../app/doctor.js';
import { doctorChecks } from '../app/doctor-checks.js';
import { sourceProblem } from '../app/looks.js';
import { withConnections } from '../app/once.js';
import { EXIT } from '../app/process.js';
import { ConfigError } from '../config/problems.js';
import { ROLES } from '../domain/roles.js';
import { KafkaGrantError, kafkaErrorType } from '../kafka/errors.js';
import type { CliContext } from './program.js';

/** 0 all well (warnings too), 1 something failed, 2 the settings are no base to look at anything. */
export async function runDoctor(json: boolean, context: CliContext): Promise<number> {
  const show = (results: readonly CheckResult[]) =>
    context.out(json ? JSON.stringify({ v: 1, checks: results }) : renderChecks(results));
  try {
    const base = createBase({ envFile: context.envFile(), roles: ROLES, needsSource: true, silent: true });
    const results = await withConnections(base, (connections) => {
      const parts = { ...base, connections, deployment: deploymentOf(base.config), write: false };
      return runChecks(doctorChecks(parts), explainFinding, base.clock);
    });
    show(results);
    return results.some(({ verdict }) => verdict === 'failed') ? EXIT.failed : EXIT.ok;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    show(
      error.problems.map(({ setting, what, mend }) => ({ name: setting, ...failed(what, 'a valid setting', mend) })),
    );
    return EXIT.cannotRun;
  }
}

/** Words of ours whole; of a driver's error its symbol only. */
function explainFinding(error: unknown): Finding {
  const problem = sourceProblem(error);
  if (problem) return failed(problem.what, 'a source that can be read without loss', problem.mend);
  if (error instanceof KafkaGrantError) return failed(error.message, 'the grant', 'as it says');
  const { code, name } = error as { code?: unknown; name?: unknown };
  const symbol = typeof code === 'string' ? code : kafkaErrorType(error);
  return failed(
    `can't be reached or asked (${symbol === 'unknown' ? String(name) : symbol})`,
    'an answer',
    'Look at the address in the settings, the service and the network',
  );
}
