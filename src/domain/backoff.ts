// How long to wait before the next try: exponential with full jitter, so that many waiters don't come back together.

export interface Backoff {
  readonly firstMs: number;
  readonly mostMs: number;
}

/** `failures` counts from 1; `random` is in [0, 1). */
export function backoffMs({ firstMs, mostMs }: Backoff, failures: number, random: number): number {
  return Math.round(random * Math.min(mostMs, firstMs * 2 ** Math.max(0, failures - 1)));
}
