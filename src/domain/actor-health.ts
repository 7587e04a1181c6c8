// An actor's honest word on how it is.

/** `ready`: has what it needs. `live`: work moves, not merely breathes. Reasons are for people: what, where, what to do. */
export interface ActorHealth {
  readonly ready: boolean;
  readonly live: boolean;
  readonly reasons: readonly string[];
}
