// For commands: opens what is asked for, does one thing, closes everything, also after a failure.
import type { Base, Connections } from './connections.js';
import { createConnections } from './connections.js';
import { runPhases } from './lifecycle.js';

const CLOSE_WITHIN_MS = 5_000;

/** Resolves with what `work` resolves with; throws what it throws. */
export async function withConnections<T>(base: Base, work: (connections: Connections) => Promise<T>): Promise<T> {
  const connections = createConnections(base);
  try {
    return await work(connections);
  } finally {
    await runPhases(connections.closing(), CLOSE_WITHIN_MS, base.clock, base.log);
  }
}
