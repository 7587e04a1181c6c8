// What /live and /ready answer: the roles' own words, and whether this process's event loop turns.
import type { ActorHealth } from '../domain/actor-health.js';
import type { Clock } from '../domain/ports.js';
import type { RoleName } from '../domain/roles.js';

const BEAT_MS = 500;
/** A loop that stood still longer than this was not doing its work: heartbeats to Kafka (6 s) and Redis are lost by then. */
const STALL_LIMIT_MS = 6_000;
/** A probe that comes after the stall must still see it. */
const REMEMBER_STALL_MS = 30_000;

export interface RoleHealth extends ActorHealth {
  readonly role: RoleName;
}

export interface ProcessHealth {
  readonly live: boolean;
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly roles: readonly RoleHealth[];
}

export interface Health {
  /** A role that this process runs; it is asked anew each time. */
  add(role: RoleName, ask: () => ActorHealth): void;
  /** Why the process as a whole is not ready (starting, stopping); undefined: it is. */
  setWaiting(reason: string | undefined): void;
  /** What the process as a whole lacks, beside its roles; asked anew each time. None: ready. */
  addLacks(ask: () => readonly string[]): void;
  check(): ProcessHealth;
  /** Begins to watch the event loop. Returns how to end it. */
  watchLoop(): () => void;
}

export function createHealth(clock: Clock, stallLimitMs = STALL_LIMIT_MS): Health {
  const roles: { role: RoleName; ask: () => ActorHealth }[] = [];
  const lacks: (() => readonly string[])[] = [];
  let waiting: string | undefined = 'starting';
  let lastBeat: number | undefined;
  let stall: { ms: number; endedAt: number } | undefined;

  /** Also called by a probe that is answered before the timer, right after a stall. */
  const beat = () => {
    const now = clock.monotonicMs();
    if (lastBeat !== undefined && now - lastBeat - BEAT_MS > stallLimitMs) stall = { ms: now - lastBeat, endedAt: now };
    lastBeat = now;
  };

  return {
    add: (role, ask) => {
      roles.push({ role, ask });
    },
    setWaiting: (reason) => {
      waiting = reason;
    },
    addLacks: (ask) => {
      lacks.push(ask);
    },
    check: () => {
      if (lastBeat !== undefined) beat();
      const stalled = stall && clock.monotonicMs() - stall.endedAt < REMEMBER_STALL_MS ? stall : undefined;
      const asked = roles.map(({ role, ask }): RoleHealth => ({ role, ...honest(ask) }));
      const reasons = asked.flatMap(({ role, reasons: own }) => own.map((reason) => named(role, reason)));
      const lacking = lacks.flatMap((ask) => ask());
      reasons.unshift(...lacking);
      if (waiting !== undefined) reasons.unshift(waiting);
      if (stalled) reasons.unshift(`the event loop stood still for ${Math.round(stalled.ms)} ms`);
      return {
        live: stalled === undefined && asked.every((role) => role.live),
        ready: waiting === undefined && lacking.length === 0 && asked.every((role) => role.ready),
        reasons,
        roles: asked,
      };
    },
    watchLoop: () => {
      beat();
      const timer = setInterval(beat, BEAT_MS);
      timer.unref();
      return () => clearInterval(timer);
    },
  };
}

/** Some roles name themselves. */
function named(role: RoleName, reason: string): string {
  return reason.startsWith(`${role}: `) ? reason : `${role}: ${reason}`;
}

/** A role that can't say how it is, is not well. */
function honest(ask: () => ActorHealth): ActorHealth {
  try {
    return ask();
  } catch {
    return { ready: false, live: false, reasons: ['its health check failed'] };
  }
}
