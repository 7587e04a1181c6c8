// A crash at every named step of dispatch and deliver: never no e-mail, and a second one only where it is said to be possible, labelled.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EpisodeEvent } from '../../../src/domain/events.js';
import { STEPS, type Step } from '../../../src/domain/steps.js';
import { systemClock } from '../../../src/telemetry/clock.js';
import { type AlertBench, startAlertBench } from '../../helpers/alert-bench.js';
import { episodeEvent } from '../../helpers/alert-events.js';

/** What is between publishing and the outcome's record is the only window for a second e-mail (data-path.md 7, 4). */
const SENT_TWICE: readonly Step[] = ['deliver.published'];
/** A claim that died after its attempt record can't be told from one that published: labelled, though it is the first. */
const LABELLED: readonly Step[] = ['deliver.attempt-recorded', 'deliver.published'];

/** Where one stands for others: digests.test.ts. */
const COVERING: readonly Step[] = ['deliver.covered', 'deliver.covers-recorded', 'deliver.covers-settled'];

describe('what is done up to a step stays, and nothing after it is done', () => {
  let bench: AlertBench;
  let crashAt: Step | undefined;
  const crashOnce = (step: Step) => {
    if (step !== crashAt) return;
    crashAt = undefined;
    throw new Error('the test ends it here');
  };
  beforeAll(async () => {
    bench = await startAlertBench({ snsTimeoutMs: 2_500 });
    const dispatchers = [await bench.dispatch({ onStep: crashOnce }), await bench.dispatch({ onStep: crashOnce })];
    await bench.deliver({ onStep: crashOnce });
    await bench.deliver({ onStep: crashOnce });
    await bench.until('partitions are owned', () => dispatchers.every((one) => one.health().ready));
  });
  afterAll(() => bench.close());

  test.each([...STEPS.dispatch, ...STEPS.deliver].filter((step) => !COVERING.includes(step)))('%s', async (step) => {
    const event = episodeEvent({ patientId: `crash-${step}`, atMs: systemClock.nowMs() });
    const end = episodeEvent({ patientId: `crash-${step}`, atMs: systemClock.nowMs(), kind: 'resolved', index: 1 });
    crashAt = step;
    await bench.write(event, end);
    const mails = (of: EpisodeEvent) => bench.sns.accepted.filter(({ body }) => body.includes(of.eventId));
    await bench.until('both are settled', async () => {
      const records = await bench.deliveries();
      return [event, end].every(({ eventId }) =>
        records.some((record) => record.eventId === eventId && record.state === 'accepted'),
      );
    });
    expect(crashAt).toBeUndefined();
    await bench.settled();
    const labelled = mails(event).map(({ body }) => body.includes('POSSIBLE REPEAT'));
    if (SENT_TWICE.includes(step)) expect(labelled).toEqual([false, true]);
    else expect(labelled).toEqual([LABELLED.includes(step)]);
    expect(mails(end).map(({ body }) => body.includes('POSSIBLE REPEAT'))).toEqual([false]);
    expect(bench.sns.accepted.findLastIndex(({ body }) => body.includes(event.eventId))).toBeLessThan(
      bench.sns.accepted.findIndex(({ body }) => body.includes(end.eventId)),
    );
  });
});
