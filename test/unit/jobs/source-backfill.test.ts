// A backfill over a table and a Kafka in memory, beside a second process that carries out the same request.
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { pollTopics } from '../../../jobs/poll-records.js';
import { backfill } from '../../../jobs/source-backfill.js';
import { createSourceDesk, NotOurTurn } from '../../../jobs/source-desk.js';
import type { OnStep } from '../../../src/domain/ports.js';
import { storeAtOnce } from '../../helpers/interleavings.js';
import { world } from '../../helpers/memory-source.js';

const HISTORY = { from: 1n, to: 10n };

/** A process with the turn. Its lake is empty, and no chain has to be waited for. */
function processOver(w: ReturnType<typeof world>) {
  const poller = w.poller({ start: '11' });
  const desk = createSourceDesk();
  desk.open();
  const backfilled = async (onStep: OnStep = () => undefined) => {
    const parts = {
      ...w.parts({ onStep }),
      desk,
      topics: pollTopics('t.'),
      endOffsets: async () => [0, 0],
      lake: async () => storeAtOnce(new Map()),
      batchRows: 20,
    };
    let over = false;
    const answer = backfill(parts, HISTORY, () => undefined).finally(() => {
      over = true;
    });
    answer.catch(() => undefined);
    while (!over) {
      await desk.serve(poller);
      await setImmediate();
    }
    return answer;
  };
  return { poller, backfilled };
}

it('that slept while another did the same, and owns the source again by the time it goes on, adds nothing a second time', async () => {
  const w = world();
  w.add(...Array.from({ length: 12 }, (_, n) => n + 1));
  const sleeper = processOver(w);
  await sleeper.poller.look();
  expect(w.emitted()).toEqual([11, 12]);
  let slept = false;
  const answer = sleeper.backfilled(async (step) => {
    if (step !== 'command.rows-read' || slept) return;
    slept = true;
    const other = processOver(w);
    expect(await other.backfilled()).toMatchObject({ added: 10 });
    // A look of the sleeper has failed, so that it forgot the source; what it still has in hand is served next.
    await sleeper.poller.letGo();
  });
  await expect(answer).rejects.toThrow(NotOurTurn);
  const ids = w.emitted().sort((a, b) => a - b);
  expect(ids).toEqual(Array.from({ length: 12 }, (_, n) => n + 1));
});
