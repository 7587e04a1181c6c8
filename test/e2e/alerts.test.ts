// `wardwatch alerts` as a person types it, over a real dispatch and deliver: why somebody got an e-mail, and what is refused.
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/telemetry/clock.js';
import { episodeEvent } from '../helpers/alert-events.js';
import { createDeployment, type Deployment, withKafka } from '../helpers/deployment.js';
import { testStack } from '../helpers/stack.js';

const raised = episodeEvent({ atMs: systemClock.nowMs() });
const ref = raised.episodeId.slice(0, 6).toUpperCase();
const WITHIN = { timeout: 30_000, interval: 200 };
let deployment: Deployment;
let console_: string;
const type = async (...args: string[]) => {
  const { code, out, err } = await deployment.run(['alerts', ...args]);
  return { code, text: out + err };
};

beforeAll(async () => {
  deployment = await createDeployment('alerts');
  const worker = deployment.worker('dispatch,deliver,console');
  await withKafka(testStack(), async (kafka) => {
    const producer = await kafka.plainProducer();
    const topic = `${deployment.name}.doctors-queue`;
    await producer.send([{ topic, key: raised.patient.id, value: JSON.stringify(raised) }]);
    await producer.close();
  });
  await vi.waitFor(async () => expect(await deployment.emails()).toHaveLength(1), WITHIN);
  await vi.waitFor(() => expect(worker.console()).toBeDefined(), WITHIN);
  console_ = worker.console() ?? '';
});
afterAll(() => deployment?.close());

it('why: an alert by its id, and a topic at a time', async () => {
  const alert = await type('why', raised.episodeId);
  expect(alert).toMatchObject({ code: 0, text: expect.stringContaining(`${ref} (${raised.episodeId})`) });
  expect(alert.text).toMatch(/event +raised: heartBeat 131, normal 66 to 73/);
  expect(alert.text).toMatch(/In short\n {2}✓ raised: SNS accepted it for wardwatch_test_alerts_/);
  const topic = deployment.topicArn.split(':').at(-1) ?? '';
  const at = new Date(systemClock.nowMs()).toISOString();
  const recipient = await type('why', topic, at, '--json');
  expect(recipient.code, recipient.text).toBe(0);
  const { theirs, nobody, elsewhere } = JSON.parse(recipient.text);
  expect(theirs.map((one: { kind: string; verdict: string }) => [one.kind, one.verdict])).toEqual([
    ['raised', 'accepted'],
  ]);
  expect([nobody, elsewhere]).toEqual([[], []]);
  const unread = await type('why', 'dr.x@hospital.example', at.slice(11, 16));
  expect(unread.text).toMatch(/✗ reads none of the topics/);
  expect(unread.text).toMatch(/Went to topics that this recipient does not read/);
});

it('refused with 1 and words, or 2 where it can not be understood', async () => {
  const unknown = await type('ack', 'zzzzzz');
  expect(unknown).toMatchObject({ code: 1, text: expect.stringMatching(/^✗ no alert zzzzzz/) });
  expect((await type('unsilence', 'none')).code).toBe(1);
  expect((await type('why', raised.episodeId, 'noon')).code).toBe(2);
  expect((await deployment.run(['alerts', 'list'], { REDIS_PREFIX: '{wardwatch_test_nobody}' })).code).toBe(2);
});

it('the console answers the same, changes nothing by GET, and each look is on record', async () => {
  const why = await fetch(`${console_}/api/alerts/${raised.episodeId}/why`);
  expect(why.status).toBe(200);
  expect(((await why.json()) as { outcomes: { verdict: string }[] }).outcomes[0]?.verdict).toBe('accepted');
  expect((await fetch(`${console_}/api/alerts/${ref}/ack`)).status).toBe(404);
  expect((await fetch(`${console_}/api/alerts/${ref}/ack`, { method: 'POST', body: '{}' })).status).toBe(415);
  const looks = await withKafka(testStack(), async (kafka) => {
    const values: string[] = [];
    const reader = await kafka.partitionReader();
    await reader.read(`${deployment.name}.access-audit`, 0, {}, ({ value }) => values.push(String(value)));
    await reader.close();
    return values.map((text) => JSON.parse(text) as { action: string; via: string });
  });
  expect(looks.map(({ action, via }) => `${action} ${via}`)).toEqual([
    ...['alerts-why command-line', 'alerts-why command-line', 'alerts-why command-line'],
    // Asked, and not answered: the views under that prefix are nobody's.
    ...['alerts-list command-line', 'alerts-why console'],
  ]);
});
