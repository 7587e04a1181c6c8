// The policy in force, read anew from its file while the process runs: a broken file is refused and the last good one stays.
import type { Policy, PolicySource } from '../domain/policy.js';
import type { Clock, Logger, Metrics } from '../domain/ports.js';
import { type PolicySettings, parsePolicyFile, policyOf } from './policy-file.js';
import type { Problem } from './problems.js';

/** How often the file is looked at. */
const LOOK_EVERY_MS = 2_000;
/** Problems that the log names; `wardwatch policy check` names all. */
const PROBLEMS_LOGGED = 5;

export interface PolicyFileParts {
  /** WARDWATCH_POLICY; undefined: there is no file, and nothing changes. */
  readonly path: string | undefined;
  /** Throws as fs does. */
  readonly readFile: (path: string) => string;
  /** What stands where the file says nothing. */
  readonly settings: PolicySettings;
  /** What the process started with. */
  readonly first: Policy;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface PolicyFileSource extends PolicySource {
  start(): void;
  stop(): Promise<void>;
  /** Why the file is not in force as it stands; undefined: it is. */
  refused(): string | undefined;
  /** One look at the file. */
  look(): void;
}

/** A change counts once two looks in a row have read the same: an editor may be half through writing it. */
export function createPolicySource(parts: PolicyFileParts): PolicyFileSource {
  const { path, settings, log, metrics } = parts;
  const stopped = new AbortController();
  let policy = parts.first;
  let judged: string | undefined;
  let before: string | undefined;
  let refusal: string | undefined;
  let looking: Promise<void> = Promise.resolve();

  const take = (next: Policy): void => {
    if (refusal !== undefined) log.info('policy.accepted', { policyVersion: next.version });
    refusal = undefined;
    metrics.gauge('policy_refused', 0);
    if (next.version === policy.version) return;
    log.info('policy.changed', { policyVersion: next.version, before: policy.version });
    metrics.count('policy_changes_total', { result: 'taken' });
    policy = next;
  };

  const refuse = (problems: readonly Problem[]): void => {
    const said = problems.map(({ setting, what }) => `${setting}: ${what}`);
    refusal = said[0] ?? 'unknown';
    metrics.gauge('policy_refused', 1);
    metrics.count('policy_changes_total', { result: 'refused' });
    log.error('policy.refused', {
      problems: said.slice(0, PROBLEMS_LOGGED),
      count: said.length,
      inForce: policy.version,
    });
  };

  const look = (): void => {
    if (path === undefined) return;
    const { text, problem } = read(path, parts.readFile);
    // As text that no file can hold, so that it too has to be seen twice.
    const now = problem ? `\0${problem.what}` : text;
    const settled = now === before;
    before = now;
    if (!settled || now === judged) return;
    judged = now;
    const parsed = problem ? { value: undefined, problems: [problem] } : parsePolicyFile(text, path);
    if (parsed.value && parsed.problems.length === 0) take(policyOf(parsed.value, settings));
    else refuse(parsed.problems);
  };

  const loop = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      look();
      await parts.clock.sleep(LOOK_EVERY_MS, stopped.signal);
    }
  };

  return {
    current: () => policy,
    refused: () => refusal,
    look,
    start: () => {
      metrics.gauge('policy_refused', 0);
      if (path !== undefined) looking = loop();
    },
    stop: async () => {
      stopped.abort();
      await looking;
    },
  };
}

function read(path: string, readFile: (path: string) => string): { text: string; problem?: Problem } {
  try {
    return { text: readFile(path) };
  } catch (error) {
    const code = String((error as { code?: unknown }).code ?? 'unknown');
    const problem = { setting: path, what: `can't be read (${code})`, mend: 'Correct the path or its rights' };
    return { text: '', problem };
  }
}
