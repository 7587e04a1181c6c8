// A worker whose process ends or freezes itself at a named step: `node worker-process.mjs --roles poll --at poll.own:1:SIGKILL`.
import { parseArgs } from 'node:util';
import { createBase } from '../../dist/src/app/base.js';
import { runWorkerProcess } from '../../dist/src/app/process.js';
import { createWorker } from '../../dist/src/app/worker.js';
import { parseRoles } from '../../dist/src/cli/run-worker.js';

const DAY_MS = 86_400_000;

const { values } = parseArgs({
  options: {
    roles: { type: 'string', default: 'all' },
    /** `step:call:signal`, may be given more than once. */
    at: { type: 'string', multiple: true, default: [] },
    /** Its calendar is so many days ahead: what happens to closed days happens today. */
    'days-ahead': { type: 'string', default: '0' },
  },
});
const roles = parseRoles(values.roles);
const deeds = values.at.map((text) => {
  const [step, call, signal] = text.split(':');
  return { step, call: Number(call), signal };
});
/** @type {Map<string, number>} */
const calls = new Map();

const made = createBase({ envFile: undefined, roles, needsSource: true });
const aheadMs = Number(values['days-ahead']) * DAY_MS;
const base = {
  ...made,
  clock: { ...made.clock, nowMs: () => made.clock.nowMs() + aheadMs },
  /** @param {string} step */
  onStep: (step) => {
    const call = (calls.get(step) ?? 0) + 1;
    calls.set(step, call);
    // Sent to ourselves, it is delivered before this call returns: nothing of the next step happens.
    for (const deed of deeds) if (deed.step === step && deed.call === call) process.kill(process.pid, deed.signal);
  },
};
const { clock, log } = base;
const code = await runWorkerProcess({ worker: createWorker(base, roles), clock, log, say: console.error });
process.exit(code);
