// What exactness costs: poll and archive beside their bare peers, in turns, on the same rows.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { drain } from './drain.mjs';

const WITHIN_MS = 240_000;
const METRICS = { poll: 'poll_rows_total', archive: 'archive_rows_total' };

/** `prepare(suffix, role)` gives the environment of one run, with its rows in place. Answers {poll: {exact, bare, ratio}, archive: …}, medians. */
export async function measureExactness({ prepare, main, rows, repeats, phases }) {
  const runs = { poll: [], archive: [] };
  for (let repeat = 1; repeat <= repeats; repeat += 1) {
    for (const [role, metric] of Object.entries(METRICS)) {
      const run = (kind, measure) => phases.run(`${kind} ${role}, ${repeat} of ${repeats}`, measure);
      const bareEnv = await prepare(`bare${role}${repeat}`, role);
      const bare = await run('bare', () => bareRun(role, rows, bareEnv));
      const env = await prepare(`exact${role}${repeat}`, role);
      const exact = await run('exact', () => drain({ main, env, role, metric, rows }));
      runs[role].push({
        exact: exact.rowsPerSecond,
        bare: bare.rowsPerSecond,
        ratio: exact.rowsPerSecond / bare.rowsPerSecond,
      });
    }
  }
  return runs;
}

async function bareRun(role, rows, env) {
  const script = join(import.meta.dirname, 'bare-process.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, [script, role, String(rows)], {
    env,
    timeout: WITHIN_MS,
  });
  return JSON.parse(stdout);
}
