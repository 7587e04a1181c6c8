// `wardwatch policy check`: every mistake at once, or what is in force, in words and tables.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { runPolicyCheck } from '../../../src/cli/run-policy.js';

const folder = mkdtempSync(path.join(tmpdir(), 'wardwatch-policy-'));
afterAll(() => rmSync(folder, { recursive: true }));

function check(yaml: string) {
  const file = path.join(folder, 'policy.yaml');
  writeFileSync(file, yaml);
  const lines: string[] = [];
  const code = runPolicyCheck(file, (text) => lines.push(...text.split('\n')), {});
  return { code, lines: lines.map((line) => line.replaceAll(folder, '').replace(/ {2,}/g, ' | ')) };
}

const TOPIC = 'arn:aws:sns:eu-central-1:123456789012:';

it('prints what is in force for each attribute and severity, and who is told', () => {
  const { code, lines } = check(`
sustain: 10s
attributes:
  heartBeat:
    clearMargin: 2
    severities: { high: { sustain: 0s, minSamples: 2 } }
wards: { ICU: { expectData: true } }
routes:
  - name: icu
    match: { wards: [ICU], severities: [high, medium] }
    topic: ${TOPIC}icu
    reminder: { every: 5m, most: 2 }
    escalation: [{ after: 10m, topic: ${TOPIC}consultant }]
default: { topic: ${TOPIC}ward }
`);
  expect(code).toBe(0);
  expect(lines).toEqual(
    expect.arrayContaining([
      'heartBeat | high | at once | 2 | 2 | 30s | 2 | 1m',
      'heartBeat | low | 10s | 1 | 2 | 30s | 2 | 1m',
      'bp | medium | 10s | 1 | 0 | 30s | 2 | 1m',
      'icu | ICU | high, medium | * | icu | every 5m, 2 times | 10m consultant',
      'default | * | * | * | ward | - | -',
      'wards that must send data: ICU',
      'an acknowledgement holds at most: high 1h, medium 4h, low 12h',
      'fallback topic: none',
    ]),
  );
  expect(lines.filter((line) => line.startsWith('!'))).toEqual(
    ['attributes.heartBeat: minSamples is longer for a worse severity: what gets worse is told later'].map(
      (line) => `! ${line}`,
    ),
  );
  expect(lines.at(-1)).toMatch(/^✓ \/policy\.yaml can be used \(version [a-z2-7]{26}, 1 warnings\)$/);
});

it('warns of what is hardly meant', () => {
  const { code, lines } = check(`
attributes: { heartbeat: { sustain: 5s }, bp: { severities: { high: { sustain: 1m } } } }
routes:
  - { name: all high, match: { severities: [high] }, topic: "${TOPIC}a" }
  - { name: icu high, match: { severities: [high], wards: [ICU] }, topic: "${TOPIC}b" }
  - name: oxygen
    match: { attributes: [spo2] }
    topic: ${TOPIC}c
    escalation: [{ after: 10m, topic: "${TOPIC}d" }, { after: 5m, topic: "${TOPIC}e" }]
`);
  expect(code).toBe(0);
  expect(lines.filter((line) => line.startsWith('!'))).toEqual([
    '! attributes.heartbeat: no such attribute is read',
    '! route oxygen: no attribute spo2 is read',
    '! attributes.bp: sustain is longer for a worse severity: what gets worse is told later',
    '! route icu high: nothing reaches it, route all high before it takes all of that',
    '! route oxygen: level 2 of its escalation is told before, or together with, the one before it',
    '! default: no topic; name one, or set SNS_TOPIC_ARN',
  ]);
});

it('names every mistake at once', () => {
  const { code, lines } = check(`
sustian: 10s
clearAfter: 3d
limits: { perSecond: 12 }
default: { topic: doctors }
`);
  expect(code).toBe(1);
  expect(lines).toHaveLength(4);
  for (const [i, text] of ['clearAfter', 'default.topic', 'limits.perSecond', 'sustian'].entries())
    expect(lines.toSorted()[i]).toMatch(new RegExp(`^✗ /policy.yaml: ${text}: `));
  expect(lines.join('\n')).toContain('Did you mean sustain?');
});
