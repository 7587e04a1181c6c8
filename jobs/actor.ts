// What the composition root asks of every actor: start, stop, and an honest word on health.
import type { ActorHealth } from '../src/domain/actor-health.js';
import type { RoleName } from '../src/domain/roles.js';

/** Work that has not moved for so long makes an actor not live; what it does takes seconds at most. */
export const STUCK_AFTER_MS = 60_000;

export interface Actor {
  readonly role: RoleName;
  /** Begins intake. Resolves when intake has begun, not when work is done. Retries its services with backoff. */
  start(): Promise<void>;
  /** Stops intake, drains, makes everything durable, lets go of partitions and jobs. */
  stop(): Promise<void>;
  health(): ActorHealth;
}
