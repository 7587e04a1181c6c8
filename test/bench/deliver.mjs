// How fast one process delivers: a backlog of notifications to as many topics as it takes for no topic's limit to be in the way.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startHostileSns } from '../helpers/hostile-sns.mjs';
import { fillQueue } from './alert-queue.mjs';
import { drain } from './drain.mjs';

/** As many as a policy may name, at 8 a second each: more than one process can send. */
const TOPICS = 200;
const REGION = 'us-east-1';

/** On topics and keys of their own, which `settings` names; `folder` for the policy. Answers {notifications, deliver}: the drain of role deliver. */
export async function measureDeliver({ services, settings, main, notifications, envOf, folder, phases }) {
  const wards = Array.from({ length: TOPICS }, (_, i) => `W${i}`);
  const routes = wards.map((ward) => ({
    ...{ name: ward, match: { wards: [ward] } },
    topic: `arn:aws:sns:${REGION}:000000000000:bench-${ward}`,
  }));
  const policy = join(folder, 'bench-policy.json');
  // JSON is YAML.
  writeFileSync(policy, JSON.stringify({ routes, limits: { perSecond: 8, burst: 8, digestAbove: 1_000 } }));
  const sns = await startHostileSns();
  try {
    const env = envOf({ ...settings, WARDWATCH_POLICY: policy, AWS_ENDPOINT_URL_SNS: sns.url });
    await fillQueue(services, settings.KAFKA_PREFIX, notifications, wards);
    const of = (role, metric) => drain({ main, env, role, metric, rows: notifications });
    await phases.run(`${notifications} notifications decided`, () => of('dispatch', 'dispatch_decisions_total'));
    const deliver = await phases.run('deliver sends them', () => of('deliver', 'notifications_total'));
    return { notifications, deliver };
  } finally {
    await sns.close();
  }
}
