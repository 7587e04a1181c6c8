// The commit protocol in every order of its steps: two and three writers, lost answers, checkpoints, and sleepers that wake after them.
import { describe, expect, it } from 'vitest';
import { type ArchiverOptions, archiver, checkAll, isOwn, isOwnOrFixed, MISTAKES } from '../helpers/commit-model.js';
import { explore, type Model } from '../helpers/interleavings.js';

const STATES_AT_MOST = 300_000;

function model(end: number, faults: number, writers: readonly Partial<ArchiverOptions>[]): Model {
  return {
    programs: writers.map((writer, i) =>
      archiver({ name: 'abc'[i] ?? '', take: end - (i % 2), end, lives: 1, ...writer }),
    ),
    faults,
    unnoticed: writers.some(({ folds }) => folds) ? isOwn : isOwnOrFixed,
    check: checkAll(end),
  };
}

const MODELS: readonly (readonly [string, Model])[] = [
  ['two writers with two files a commit, one answer lost', model(2, 1, [{ nextHourFrom: 1 }, {}])],
  ['two writers that own anew after a failure, one answer lost', model(2, 1, [{ lives: 2 }, { lives: 2 }])],
  ['three writers', model(2, 0, [{}, {}, {}])],
  ['three writers and one record, one answer lost', model(1, 1, [{ take: 1 }, { take: 1 }, { take: 1 }])],
  ['a writer that folds beside one that sleeps', model(3, 0, [{ take: 2 }, { take: 1, folds: true }])],
  ['a writer that folds, one answer lost', model(2, 1, [{ take: 2 }, { take: 1, folds: true }])],
  [
    'two that fold',
    model(2, 0, [
      { take: 1, folds: true },
      { take: 1, folds: true },
    ]),
  ],
];

describe('The commit protocol', () => {
  it.each(MODELS)('leaves one chain and one copy of each row in every order: %s', async (_, tried) => {
    const { violation, states } = await explore(tried, STATES_AT_MOST);
    expect(violation).toBeUndefined();
    // Not because nothing was tried.
    expect(states).toBeGreaterThan(1_000);
  });

  it('would not, and the checker finds it, if a sleeper that woke after a checkpoint did not look before publishing', async () => {
    const mutation = MISTAKES['whoever made a record does not look once more before publishing'];
    const tried = model(3, 0, [
      { take: 2, nextHourFrom: 1 },
      { take: 1, folds: true, nextHourFrom: 1 },
    ]);
    const { violation } = await explore({ ...tried, mutation }, STATES_AT_MOST);
    expect(violation?.error.message).toContain('the folders show rows twice');
  });
});
