// A policy file that changes under a running process: taken when it is whole and right, refused aloud when not, and then the old one stays.
import { expect, it } from 'vitest';
import { createPolicySource } from '../../../src/config/policy-source.js';
import type { Clock } from '../../../src/domain/ports.js';
import { DEFAULT_POLICY } from '../../helpers/policies.js';
import { recordingLogger, recordingMetrics } from '../../helpers/recorders.js';

const SETTINGS = { topic: DEFAULT_POLICY.routes[0]?.topic, alertMaxAgeMs: 900_000, alertMaxAgeGiven: true };

function world(first: string) {
  const file: { text: string | Error } = { text: first };
  const log = recordingLogger();
  const metrics = recordingMetrics();
  const steps: (() => void)[] = [];
  const clock = {
    sleep: (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve) => {
        steps.push(resolve);
        signal?.addEventListener('abort', () => resolve());
      }),
  } as Clock;
  const source = createPolicySource({
    path: '/etc/wardwatch/policy.yaml',
    readFile: () => {
      if (file.text instanceof Error) throw file.text;
      return file.text;
    },
    settings: SETTINGS,
    first: DEFAULT_POLICY,
    ...{ clock, log, metrics },
  });
  const looks = (times: number) => {
    for (let i = 0; i < times; i++) source.look();
  };
  const sustain = () => source.current().conditions.default.sustainMs;
  const said = () => log.lines.map(({ level, event }) => `${level} ${event}`);
  return { file, log, metrics, source, looks, sustain, said, steps };
}

it('is taken once two looks in a row read the same, and says so once', async () => {
  const w = world('{}');
  w.looks(3);
  expect(w.source.current()).toBe(DEFAULT_POLICY);
  expect(w.said()).toEqual([]);
  // Half written, which by chance is a policy too.
  w.file.text = 'sustain: 1s';
  w.looks(1);
  w.file.text = 'sustain: 15s\n';
  w.looks(1);
  expect(w.sustain()).toBe(0);
  w.looks(1);
  expect(w.sustain()).toBe(15_000);
  expect(w.source.current().version).not.toBe(DEFAULT_POLICY.version);
  w.looks(3);
  // Another wording of the same: nothing has changed.
  w.file.text = '{sustain: 15000}';
  w.looks(3);
  expect(w.said()).toEqual(['info policy.changed']);
  expect(await w.metrics.value('policy_changes_total', { result: 'taken' })).toBe(1);
});

it.each<[string, string | Error, RegExp]>([
  ['a broken line', 'sustain: [', /is no YAML/],
  ['an unknown key', 'sustian: 15s', /sustian: there is no such key/],
  ['a value out of range', 'clearAfter: 3d', /clearAfter/],
  ['a file that is gone', Object.assign(new Error('gone'), { code: 'ENOENT' }), /can't be read \(ENOENT\)/],
])('%s is refused once, aloud, and the last good one stays until it is mended', async (_, broken, why) => {
  const w = world('sustain: 5s');
  w.looks(2);
  expect(w.sustain()).toBe(5_000);
  w.file.text = broken;
  w.looks(5);
  expect(w.sustain()).toBe(5_000);
  expect(w.source.refused()).toMatch(why);
  expect(w.said()).toEqual(['info policy.changed', 'error policy.refused']);
  expect(w.log.lines.at(-1)?.fields).toMatchObject({ count: 1, inForce: w.source.current().version });
  expect(await w.metrics.value('policy_refused')).toBe(1);
  expect(await w.metrics.value('policy_changes_total', { result: 'refused' })).toBe(1);
  // Mended without a change: said too.
  w.file.text = 'sustain: 5s';
  w.looks(2);
  expect(w.source.refused()).toBeUndefined();
  expect(await w.metrics.value('policy_refused')).toBe(0);
  expect(w.said().at(-1)).toBe('info policy.accepted');
});

it('looks by itself until it is stopped', async () => {
  const w = world('sustain: 9s');
  w.source.start();
  const turn = async () => {
    w.steps.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  await turn();
  expect(w.sustain()).toBe(9_000);
  await w.source.stop();
  w.file.text = 'sustain: 1s';
  await turn();
  await turn();
  expect(w.sustain()).toBe(9_000);
});
