// The demo's last question, put to wardwatch itself: does its equation hold?
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const WITHIN_MS = 120_000;
/** Everything was drained before: only what a stop leaves to be written is waited for. */
const WAIT = '30s';

/** `program` is a wardwatch with the demo's settings. Answers {ok, says}: one line, or the whole report where it doesn't hold. */
export async function auditWith(program) {
  const { code, out } = await run(program, ['audit', '--wait', WAIT, '--json']);
  if (code !== 0 && code !== 1) return { ok: false, says: out.trim() };
  const { ok, terms } = JSON.parse(out);
  if (ok) return { ok, says: `${terms.length} terms hold, nothing is missing, twice, invented or unchecked` };
  return { ok, says: (await run(program, ['audit', '--wait', '0s'])).out.trim() };
}

/** 1 says that the equation does not hold: an answer, not a failure. */
async function run(program, args) {
  try {
    const { stdout } = await promisify(execFile)(program, args, { timeout: WITHIN_MS, maxBuffer: 64 * 1024 * 1024 });
    return { code: 0, out: stdout };
  } catch (error) {
    return { code: error.code, out: `${error.stdout ?? ''}${error.stderr ?? ''}` || String(error.message) };
  }
}
