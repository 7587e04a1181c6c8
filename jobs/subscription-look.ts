// Does anybody read our topics? A publish to a topic without confirmed readers succeeds, and reaches nobody.
import type { Clock, Logger, Metrics } from '../src/domain/ports.js';
import type { Readers } from './alert-why.js';

/** Whoever confirms or leaves is seen within the hour; at the start too. */
export const LOOK_EVERY_MS = 3_600_000;

export interface SubscriptionLookParts {
  readonly readers: Readers;
  readonly metrics: Pick<Metrics, 'gauge'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Looks at once, then each hour, until the signal comes. */
export async function watchSubscriptions(parts: SubscriptionLookParts, signal: AbortSignal): Promise<void> {
  const looked = new Set<string>();
  while (!signal.aborted) {
    const topics = parts.readers.topics();
    for (const topic of looked) if (!topics.includes(topic)) forget(parts, topic);
    for (const topic of topics) {
      if (signal.aborted) return;
      looked.add(topic);
      await look(parts, topic);
    }
    await parts.clock.sleep(LOOK_EVERY_MS, signal);
  }
}

/** A changed policy does not name it any more: what was known of it is no news. */
function forget({ metrics }: SubscriptionLookParts, topic: string): void {
  for (const state of ['confirmed', 'pending', 'unknown'])
    metrics.gauge('topic_subscriptions', Number.NaN, { topic, state });
}

async function look({ readers, metrics, log }: SubscriptionLookParts, topic: string): Promise<void> {
  try {
    const all = await readers.subscriptions(topic);
    const confirmed = all.filter((one) => one.confirmed).length;
    const pending = all.length - confirmed;
    metrics.gauge('topic_subscriptions', confirmed, { topic, state: 'confirmed' });
    metrics.gauge('topic_subscriptions', pending, { topic, state: 'pending' });
    metrics.gauge('topic_subscriptions', 0, { topic, state: 'unknown' });
    if (confirmed === 0) log.error('subscriptions.none', { topic, pending });
    else if (pending > 0) log.warn('subscriptions.pending', { topic, confirmed, pending });
  } catch (error) {
    // What was known stays as it was: a service that does not answer is no news of its readers.
    metrics.gauge('topic_subscriptions', 1, { topic, state: 'unknown' });
    log.warn('subscriptions.unknown', { topic, error: error instanceof Error ? error.name : typeof error });
  }
}
