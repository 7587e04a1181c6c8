// A copier (kafka-copier.ts) in a process of its own, for tests that kill it. Argument: JSON of CopierProcess. SIGTERM ends it in order.
import { createKafka } from '../../src/kafka/client.js';
import { systemClock } from '../../src/telemetry/clock.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { createMetrics } from '../../src/telemetry/metrics.js';
import { type CopierTopics, createCopier } from './kafka-copier.js';

export interface CopierProcess {
  readonly brokers: readonly string[];
  readonly topics: CopierTopics;
  readonly slowMs: number;
}

const { brokers, topics, slowMs } = JSON.parse(process.argv[2] ?? '') as CopierProcess;
const kafka = createKafka(
  { brokers, clientId: 'copier-process' },
  { log: createLogger({ level: 'info' }), metrics: createMetrics(), clock: systemClock },
);
const copier = createCopier(kafka, topics, slowMs);
process.once('SIGTERM', () => void copier.stop().then(() => process.exit(0)));
void copier.crashed.then(() => process.exit(1));
await copier.start();
