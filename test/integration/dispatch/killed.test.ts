// One notification, one digest, one "raised and recovered": their sender killed one, two and three times at every step of deliver, on a real ledger. Never untold, and told again only from the one window, labelled.
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deliverNotification } from '../../../jobs/deliver-notification.js';
import type { DeliverParts } from '../../../jobs/deliver-parts.js';
import { createDestinationGate } from '../../../jobs/destination-gate.js';
import { type KnownNotification, restoredRows } from '../../../jobs/ledger-restore.js';
import { RunLater } from '../../../queues/worker.js';
import { decide } from '../../../src/domain/decide.js';
import { deliveryRecord, foldDelivery, NO_HISTORY, occasionOf, subjectOf } from '../../../src/domain/delivery.js';
import type { DeliveryRecord, EpisodeEvent } from '../../../src/domain/events.js';
import type { NotificationState } from '../../../src/domain/ledger.js';
import type { Limiter } from '../../../src/domain/limiter.js';
import { NO_KEY, type OutgoingMessage, type Send } from '../../../src/domain/notification.js';
import { STEPS, type Step } from '../../../src/domain/steps.js';
import { connectRedis, redisReady } from '../../../src/redis/connections.js';
import { createLedger, type RedisLedger } from '../../../src/redis/ledger.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { ALERT_POLICY } from '../../helpers/alert-bench.js';
import { episodeEvent } from '../../helpers/alert-events.js';
import { memoryDeliveries } from '../../helpers/memory-deliveries.js';
import { fixed } from '../../helpers/policies.js';
import { recordingLogger, recordingMetrics } from '../../helpers/recorders.js';
import { testStack, uniqueName } from '../../helpers/stack.js';
import { UNLIMITED } from '../../helpers/unlimited.js';

const LEASE_MS = 1_500;
const LABEL = 'POSSIBLE REPEAT';
const TURN_MS = 50;
const SETTLED_WITHIN_MS = 60_000;
const KILLS = [1, 2, 3];
/** What is published and has no outcome yet: the only window for a second e-mail (data-path.md 7, 4). */
const WINDOW: readonly Step[] = ['deliver.published'];
/** Can't be told from one that published. */
const LABELLED: readonly Step[] = ['deliver.attempt-recorded', ...WINDOW];
const COVERING: readonly Step[] = ['deliver.covered', 'deliver.covers-recorded', 'deliver.covers-settled'];

type Plan = 'alone' | 'digest' | 'raised and recovered';

interface World {
  readonly ledger: RedisLedger;
  readonly sent: readonly OutgoingMessage[];
  readonly records: readonly DeliveryRecord[];
  /** Ids of rows that have had a job, in the order in which they got it. */
  readonly jobs: readonly string[];
  readonly events: readonly EpisodeEvent[];
  parts(onStep: DeliverParts['onStep']): DeliverParts;
}

let redis: Redis;
const prefixes: string[] = [];
const log = recordingLogger();

beforeAll(async () => {
  redis = connectRedis({ url: testStack().redisUrl }, 'command', log);
  await redisReady(redis);
});
afterAll(async () => {
  for (const prefix of prefixes) {
    const keys = await redis.keys(`${prefix.replace('{', '\\{')}*`);
    if (keys.length > 0) await redis.del(...keys);
  }
  redis.disconnect();
});

async function makeWorld(plan: Plan): Promise<World> {
  const prefix = `{${uniqueName('killed')}}`;
  prefixes.push(prefix);
  const ledger = createLedger(redis, prefix);
  await (await ledger.rebuild())?.finish();
  await ledger.attach();
  const sent: OutgoingMessage[] = [];
  const records: DeliveryRecord[] = [];
  const jobs: string[] = [];
  const events: EpisodeEvent[] = [];
  const deliveries = memoryDeliveries(() => records);
  let offset = 0;
  /** Folded, decided and in the ledger, as dispatch does it. */
  const happens = async (event: EpisodeEvent) => {
    const { view } = await ledger.look(event.episodeId, event.eventId);
    const made = decide({
      ...{ event, offset, view, key: NO_KEY, silences: [], policy: ALERT_POLICY, nowMs: systemClock.nowMs() },
    });
    await ledger.fold({
      ...{ episodeId: event.episodeId, id: event.eventId, offset, event, look: { view, key: NO_KEY } },
      ...{ decision: made.decision, next: made.next },
    });
    offset += 1;
    events.push(event);
    for (const send of made.decision.send) await open(event, send);
  };
  const open = async (event: EpisodeEvent, send: Send) => {
    const subject = subjectOf(occasionOf(event), send);
    const [place] = await deliveries.append([
      deliveryRecord(subject, { state: 'decided', reason: 'routed' }, event.at),
    ]);
    const { severity, after } = send;
    await ledger.open({ ...subject, severity, after, logPartition: 0, logOffset: place?.offset ?? 0 });
    jobs.push(subject.notificationId);
  };
  const patients = plan === 'digest' ? 3 : 1;
  for (let i = 0; i < patients; i += 1) await happens(episodeEvent({ patientId: `p${i}`, atMs: systemClock.nowMs() }));
  if (plan === 'raised and recovered')
    await happens(episodeEvent({ patientId: 'p0', atMs: systemClock.nowMs(), kind: 'resolved', index: 1 }));

  // What asks is told to make digests of all that has asked; a digest goes.
  const asked = new Set<string>();
  const digesting: Limiter = {
    ...UNLIMITED,
    admit: async (row) => {
      if (row.kind === 'digest') return { outcome: 'go', slowed: false };
      asked.add(row.notificationId);
      return asked.size < patients
        ? { outcome: 'wait', waitMs: 1, why: 'digest' }
        : { outcome: 'digest', windowMs: 10 };
    },
    pool: async () => [...asked],
    leave: async (_, ids) => {
      for (const id of ids) asked.delete(id);
    },
  };
  return {
    ...{ ledger, sent, records, jobs, events },
    parts: (onStep) => ({
      ...{ ledger, deliveries, log, onStep, policy: fixed(ALERT_POLICY), timeZone: 'UTC', leaseMs: LEASE_MS },
      limiter: plan === 'digest' ? digesting : UNLIMITED,
      enqueue: async ({ notificationId }) => void jobs.push(notificationId),
      publisher: {
        timeoutMs: 100,
        publish: async (message) => {
          sent.push(message);
          return { ok: true, messageId: `m${sent.length}` };
        },
        close: () => undefined,
      },
      gate: createDestinationGate(systemClock),
      combinedAfterMs: plan === 'raised and recovered' ? 0 : 60_000,
      clock: systemClock,
      metrics: recordingMetrics(),
      newToken: () => randomBytes(8).toString('hex'),
      random: () => 0,
    }),
  };
}

const stateOf = async ({ ledger }: World, id: string) => (await ledger.read(id))?.state;

/** A process: looks at one job after the other until all are settled. What it makes has a job, or the sweeper's. */
async function process(world: World, parts: DeliverParts): Promise<'settled'> {
  const end = systemClock.monotonicMs() + SETTLED_WITHIN_MS;
  const signal = new AbortController().signal;
  for (;;) {
    const swept = (await world.ledger.overdue(100)).map(({ notificationId }) => notificationId);
    // The end first: then it finds its beginning waiting.
    const ids = [...new Set([...world.jobs, ...swept])].reverse();
    for (const id of ids) {
      await deliverNotification(parts, id, { signal, moved: () => undefined }).catch((error: unknown) => {
        if (!(error instanceof RunLater)) throw error;
      });
    }
    const states = await Promise.all(ids.map((id) => stateOf(world, id)));
    if (states.every((state) => state === 'SENT')) return 'settled';
    if (systemClock.monotonicMs() > end)
      throw new Error(`not settled: ${states.join()}; ${JSON.stringify(world.records)}`);
    await systemClock.sleep(TURN_MS);
  }
}

/** Killed there as often as that; whoever is killed does nothing any more. Answers how often it never came to it. */
async function survive(world: World, step: Step, kills: number): Promise<number> {
  let left = kills;
  for (;;) {
    let die: () => void = () => undefined;
    const dead = new Promise<'killed'>((resolve) => {
      die = () => resolve('killed');
    });
    const parts = world.parts((at) => {
      if (at !== step || left === 0) return;
      left -= 1;
      die();
      return new Promise<void>(() => undefined);
    });
    if ((await Promise.race([process(world, parts), dead])) === 'settled') return left;
  }
}

/** As a rebuild finds it. */
function rebuiltStates(records: readonly DeliveryRecord[]): NotificationState[] {
  const known = new Map<string, KnownNotification>();
  for (const record of records) {
    const have = known.get(record.notificationId) ?? { decided: record, partition: 0, offset: 0, history: NO_HISTORY };
    known.set(record.notificationId, { ...have, history: foldDelivery(have.history, record) });
  }
  return restoredRows(known, { sends: new Map(), nowMs: systemClock.nowMs() }).map(({ state }) => state);
}

const stepsOf = (plan: Plan) => STEPS.deliver.filter((step) => plan !== 'alone' || !COVERING.includes(step));

describe.each<Plan>(['alone', 'digest', 'raised and recovered'])('%s', (plan) => {
  test('killed at every step, one, two and three times', { timeout: 180_000 }, async () => {
    const cases = stepsOf(plan).flatMap((step) => KILLS.map((kills) => ({ step, kills })));
    const found = await Promise.all(
      cases.map(async ({ step, kills }) => {
        const world = await makeWorld(plan);
        const left = await survive(world, step, kills);
        const { sent, records, events } = world;
        const labels = sent.map(({ body }) => body.includes(LABEL));
        return {
          ...{ step, kills, labels },
          died: left < kills,
          everywhere: sent.every(({ body }) => tellsOf(body) === events.length),
          rebuilt: [...new Set(rebuiltStates(records))],
        };
      }),
    );
    expect(found).toEqual(
      cases.map(({ step, kills }) => {
        const again = WINDOW.includes(step) ? kills : 0;
        const labels = [again === 0 && LABELLED.includes(step), ...Array.from({ length: again }, () => true)];
        return { step, kills, labels, died: true, everywhere: true, rebuilt: ['SENT'] };
      }),
    );
  });
});

/** How many events an e-mail tells of. */
function tellsOf(body: string): number {
  if (body.startsWith('DIGEST')) return [...body.matchAll(/^\[\d+\] /gm)].length;
  return body.startsWith('RAISED AND RECOVERED') ? 2 : 1;
}
