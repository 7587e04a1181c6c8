// Vitest's projects: one a tier, so that `--project unit` needs no stack and no other tier runs by accident. They run one after the other.
import { defineConfig } from 'vitest/config';
import { scrubInPlace } from './ops/local/environment.mjs';

// Before any test starts, however it was started: no setting of production is in reach of one (contracts.md, Files and settings).
scrubInPlace(process.env);

const minutes = (n: number) => n * 60_000;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          environment: 'node',
          // Pure parts share nothing that one test could leave to another, so each module is loaded once.
          pool: 'threads',
          isolate: false,
          maxWorkers: 2,
          // For what hangs: on a machine with other work, thousands of random histories take longer than Vitest's 5 s.
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          environment: 'node',
          testTimeout: minutes(1),
          hookTimeout: minutes(1),
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          environment: 'node',
          testTimeout: minutes(3),
          hookTimeout: minutes(2),
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'fault',
          include: ['test/fault/**/*.test.ts'],
          environment: 'node',
          testTimeout: minutes(10),
          hookTimeout: minutes(3),
          maxWorkers: 2,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: 'peers',
          include: ['test/peers/**/*.test.ts'],
          environment: 'node',
          testTimeout: minutes(10),
          hookTimeout: minutes(5),
          maxWorkers: 1,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
