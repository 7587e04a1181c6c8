// Stopping: phases in order, steps beside each other, errors logged without stopping the rest, and one deadline over all.
import { expect, it } from 'vitest';
import { runPhases } from '../../../src/app/lifecycle.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { recordingLogger } from '../../helpers/recorders.js';

const LONG_MS = 60_000;
const step =
  (seen: string[], name: string, ms = 0) =>
  async () => {
    seen.push(`${name} begins`);
    await systemClock.sleep(ms);
    seen.push(`${name} ends`);
  };

it('runs the steps of a phase beside each other and the phases one after the other', async () => {
  const seen: string[] = [];
  const phases = [
    { name: 'drain', steps: [step(seen, 'a', 20), step(seen, 'b')] },
    { name: 'empty', steps: [] },
    { name: 'close', steps: [step(seen, 'c')] },
  ];
  expect(await runPhases(phases, LONG_MS, systemClock, recordingLogger())).toBe('done');
  expect(seen).toEqual(['a begins', 'b begins', 'b ends', 'a ends', 'c begins', 'c ends']);
});

it('goes on after a step that fails, and says so', async () => {
  const seen: string[] = [];
  const log = recordingLogger();
  const fails = () => Promise.reject(new Error('broken'));
  const phases = [
    { name: 'drain', steps: [fails, step(seen, 'a')] },
    { name: 'close', steps: [step(seen, 'b')] },
  ];
  expect(await runPhases(phases, LONG_MS, systemClock, log)).toBe('failed');
  expect(seen).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  expect(log.lines.filter((line) => line.level === 'error')).toMatchObject([{ event: 'stop.step-failed' }]);
});

it('ends at the deadline, naming the phase, and begins none after it', async () => {
  const seen: string[] = [];
  const log = recordingLogger();
  const phases = [
    { name: 'drain', steps: [() => new Promise(() => {})] },
    { name: 'close', steps: [step(seen, 'never')] },
  ];
  expect(await runPhases(phases, 30, systemClock, log)).toBe('late');
  expect(seen).toEqual([]);
  expect(log.lines).toMatchObject([{ event: 'stop.late', fields: { phase: 'drain', deadlineMs: 30 } }]);
});
