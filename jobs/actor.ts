// What the composition root asks of every actor: start, stop, and an honest word on health.
import type { RoleName } from '../src/domain/roles.js';

/** `ready`: has what it needs. `live`: work moves, not merely breathes. Reasons are for people: what, where, what to do. */
export interface ActorHealth {
  readonly ready: boolean;
  readonly live: boolean;
  readonly reasons: readonly string[];
}

export interface Actor {
  readonly role: RoleName;
  /** Begins intake. Resolves when intake has begun, not when work is done. Retries its services with backoff. */
  start(): Promise<void>;
  /** Stops intake, drains, makes everything durable, lets go of partitions and jobs. */
  stop(): Promise<void>;
  health(): ActorHealth;
}
