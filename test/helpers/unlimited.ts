// A limiter that is off: for tests and measurements of everything else.
import type { Limiter } from '../../src/domain/limiter.js';

export const UNLIMITED: Limiter = {
  admit: async () => ({ outcome: 'go', slowed: false }),
  pool: async () => [],
  leave: async () => undefined,
  slow: async () => undefined,
  ease: async () => undefined,
};
