// The life of a worker process: HTTP, gates, roles, heartbeat; and its end in phases under one deadline.
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Actor } from '../../jobs/actor.js';
import { QUEUE_NAMES } from '../../queues/table.js';
import { metricsPort } from '../config/load.js';
import { ConfigError, type Problem } from '../config/problems.js';
import { createHealth } from '../console/health.js';
import { createHttp } from '../console/http.js';
import type { RoleName } from '../domain/roles.js';
import { reportAlarms } from './alarm-reports.js';
import { type Base, createConnections } from './connections.js';
import { deploymentOf } from './deployment.js';
import { type Gate, openGate, type ServiceName } from './gates.js';
import { type Heartbeat, startHeartbeat } from './heartbeat.js';
import { keepLive } from './keep-live.js';
import { type Phase, runPhases, type StopOutcome } from './lifecycle.js';
import { lookAtLake } from './look-at-lake.js';
import { type LookParts, lookAtKafka, lookAtRedis, lookAtSource } from './looks.js';
import { WIRING } from './roles.js';

/** A scrape waits this long for the depths of the queues. */
const DEPTHS_WITHIN_MS = 1_000;
/** `worker --check` waits this long for its services. */
const CHECK_WITHIN_MS = 20_000;

const LOOKS: Readonly<Record<ServiceName, (parts: LookParts) => Promise<readonly Problem[]>>> = {
  mysql: lookAtSource,
  kafka: lookAtKafka,
  redis: lookAtRedis,
  lake: lookAtLake,
};

export interface Worker {
  /** Resolves when every role has begun. Rejects with ConfigError when something unsafe or missing stops the start. */
  start(): Promise<void>;
  /** Rejects when a role can't go on after the start: the process must end. Never resolves. */
  readonly failed: Promise<never>;
  stop(): Promise<StopOutcome>;
}

export function createWorker(base: Base, roles: readonly RoleName[]): Worker {
  const { config, clock, log, metrics } = base;
  const connections = createConnections(base);
  const health = createHealth(clock);
  const http = createHttp({ health, metrics, log });
  const parts: LookParts = { ...base, connections, deployment: deploymentOf(config), write: true };
  const stopping = new AbortController();
  const running: Actor[] = [];
  let heartbeat: Heartbeat | undefined;
  let reporting: Promise<void> = Promise.resolve();
  let endLoopWatch: (() => void) | undefined;
  let fail: (error: unknown) => void;
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);

  metrics.beforeText(async () => {
    const queues = connections.openQueues();
    if (!queues) return;
    const depths = QUEUE_NAMES.map(async (queue) => {
      const counts = await queues.counts(queue);
      for (const [state, jobs] of Object.entries(counts)) metrics.gauge('queue_depth', jobs, { queue, state });
    });
    // Redis may be away, or not answer at all: whoever scrapes us does not wait for it.
    const answered = new AbortController();
    await Promise.race([Promise.allSettled(depths), clock.sleep(DEPTHS_WITHIN_MS, answered.signal)]);
    answered.abort();
  });

  const begin = async (role: RoleName, gates: ReadonlyMap<ServiceName, Gate>): Promise<void> => {
    const wiring = WIRING[role];
    const own = wiring.needs.map((service) => gates.get(service)).filter((gate) => gate !== undefined);
    let actor: Actor | undefined;
    health.add(role, () => {
      if (actor) return actor.health();
      const reasons = own.map((gate) => gate.waiting()).filter((reason) => reason !== undefined);
      return { ready: false, live: true, reasons: reasons.length > 0 ? reasons : ['is being started'] };
    });
    await Promise.all(own.map((gate) => gate.opened));
    if (stopping.signal.aborted) return;
    actor = wiring.create(parts);
    running.push(actor);
    await actor.start();
    log.info('role.started', { role });
  };

  return {
    failed,
    start: async () => {
      log.info('worker.starting', { roles, ...parts.deployment });
      endLoopWatch = health.watchLoop();
      keepLive({ check: health.check, clock, log, signal: stopping.signal }).catch((error: unknown) => fail(error));
      await http.listen(config.settings.METRICS_HOST, metricsPort(config.settings, roles));
      const gates = openGates(parts, roles, stopping.signal);
      const problems = await firstProblems(gates);
      if (problems.length > 0) throw new ConfigError(problems);
      heartbeat = startHeartbeat({
        redis: connections.redis(),
        prefix: config.settings.REDIS_PREFIX,
        roles,
        instance: `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`,
        ...{ clock, log, metrics },
        describe: (role) => health.check().roles.find((own) => own.role === role) ?? { ready: false, live: true },
      });
      health.addLacks(heartbeat.lacks);
      reporting = reportAlarms({
        ...{ redis: connections.redis(), settings: config.settings, read: metrics.samples, host: hostname() },
        ...{ clock, log, signal: stopping.signal },
      });
      const begun = roles.map((role) => begin(role, gates));
      for (const one of begun) one.catch((error: unknown) => fail(error));
      await Promise.all(begun);
      health.setWaiting(undefined);
      log.info('worker.ready', { roles });
    },
    stop: async () => {
      stopping.abort();
      health.setWaiting('stopping');
      log.info('worker.stopping', { deadlineMs: config.settings.DRAIN_MS });
      const phases: readonly Phase[] = [
        { name: 'drain', steps: running.map((actor) => () => actor.stop()) },
        { name: 'heartbeat', steps: [() => reporting, ...(heartbeat ? [heartbeat.end] : [])] },
        ...connections.closing(),
        { name: 'http', steps: [() => http.close()] },
      ];
      const outcome = await runPhases(phases, config.settings.DRAIN_MS, clock, log);
      endLoopWatch?.();
      log.info('worker.stopped', { outcome });
      return outcome;
    },
  };
}

/** Becomes ready and ends before intake: joins no group, takes no job, starts no transaction, writes nothing. Returns the problems. */
export async function checkWorker(base: Base, roles: readonly RoleName[]): Promise<readonly Problem[]> {
  const connections = createConnections(base);
  const over = new AbortController();
  const parts: LookParts = { ...base, connections, deployment: deploymentOf(base.config), write: false };
  try {
    const gates = openGates(parts, roles, over.signal);
    const problems = await firstProblems(gates);
    if (problems.length > 0) return problems;
    const timeout = base.clock.sleep(CHECK_WITHIN_MS, over.signal);
    await Promise.race([Promise.all([...gates.values()].map((gate) => gate.opened)), timeout]);
    return [...gates.values()]
      .filter((gate) => gate.waiting() !== undefined)
      .map((gate) => ({ setting: gate.service, what: gate.waiting() ?? '', mend: 'Run `wardwatch doctor`' }));
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  } finally {
    over.abort();
    await runPhases(connections.closing(), base.config.settings.DRAIN_MS, base.clock, base.log);
  }
}

function openGates(parts: LookParts, roles: readonly RoleName[], signal: AbortSignal): Map<ServiceName, Gate> {
  const services = new Set(roles.flatMap((role) => WIRING[role].needs));
  return new Map(
    [...services].map((service) => [service, openGate(service, () => LOOKS[service](parts), { ...parts, signal })]),
  );
}

/** All services are looked at before any problem is told: one message lists them all. */
async function firstProblems(gates: ReadonlyMap<ServiceName, Gate>): Promise<Problem[]> {
  const firsts = await Promise.all([...gates.values()].map((gate) => gate.first));
  return firsts.flatMap((first) => (typeof first === 'string' ? [] : [...first]));
}
