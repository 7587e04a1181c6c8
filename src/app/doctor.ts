// The doctor: all checks beside each other, each with a limit, none of them writing anything.
import type { Clock } from '../domain/ports.js';

/** `unknown`: it could not be looked at, because something that it stands on failed. */
export type Verdict = 'ok' | 'warning' | 'failed';

export interface Finding {
  readonly verdict: Verdict;
  readonly found: string;
  readonly expected: string;
  /** The command or setting that mends it; null where nothing is to be done. */
  readonly mend: string | null;
}

export interface Check {
  readonly name: string;
  /** A throw is a failure with the error's class. */
  readonly run: () => Promise<Finding>;
}

export interface CheckResult extends Finding {
  readonly name: string;
}

export const CHECK_LIMIT_MS = 3_000;
const MARKS: Readonly<Record<Verdict, string>> = { ok: '✓', warning: '!', failed: '✗' };

export const ok = (found: string, expected = found): Finding => ({ verdict: 'ok', found, expected, mend: null });
export const warning = (found: string, expected: string, mend: string): Finding => ({
  verdict: 'warning',
  found,
  expected,
  mend,
});
export const failed = (found: string, expected: string, mend: string): Finding => ({
  verdict: 'failed',
  found,
  expected,
  mend,
});

/** `explain` turns an error into words without data or secrets. Never throws; results are in the order of the checks. */
export async function runChecks(
  checks: readonly Check[],
  explain: (error: unknown) => Finding,
  clock: Clock,
  limitMs = CHECK_LIMIT_MS,
): Promise<readonly CheckResult[]> {
  return Promise.all(
    checks.map(async ({ name, run }) => {
      const over = new AbortController();
      const late = clock
        .sleep(limitMs, over.signal)
        .then(() =>
          failed(`no answer within ${limitMs / 1_000} s`, 'an answer', 'Look at the service and the network'),
        );
      const finding = await Promise.race([Promise.resolve().then(run).catch(explain), late]);
      over.abort();
      return { name, ...finding };
    }),
  );
}

/** One or two lines a check. */
export function renderChecks(results: readonly CheckResult[]): string {
  const width = Math.max(...results.map(({ name }) => name.length));
  const lines = results.flatMap(({ name, verdict, found, expected, mend }) => {
    const first = `${MARKS[verdict]} ${name.padEnd(width)}  ${found}`;
    if (verdict === 'ok') return [first];
    const indent = ' '.repeat(width + 4);
    return [first, `${indent}expected: ${expected}`, ...(mend === null ? [] : [`${indent}mend:     ${mend}`])];
  });
  const count = (verdict: Verdict) => results.filter((result) => result.verdict === verdict).length;
  return [...lines, `${count('ok')} ok, ${count('warning')} warnings, ${count('failed')} failed`].join('\n');
}
