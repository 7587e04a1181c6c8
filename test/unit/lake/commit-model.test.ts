// The commit protocol in every order of its steps, small; test/fault/commit-model.test.ts has the larger models.
import { describe, expect, it } from 'vitest';
import { archiver, checkAll, isOwnOrFixed, MISTAKES } from '../../helpers/commit-model.js';
import { explore, type Model } from '../../helpers/interleavings.js';

const END = 2;
const model = (options: Partial<Model>, token?: string): Model => ({
  programs: [
    archiver({ name: 'a', take: 2, end: END, lives: 1, ...(token ? { token } : {}) }),
    archiver({ name: 'b', take: 1, end: END, lives: 1, ...(token ? { token } : {}) }),
  ],
  faults: 0,
  unnoticed: isOwnOrFixed,
  check: checkAll(END),
  ...options,
});

describe('Two writers of one chain', () => {
  it('leave one chain and one copy of each row in every order, wherever one crashes or sleeps', async () => {
    const { violation, states } = await explore(model({}));
    expect(violation).toBeUndefined();
    // Not because nothing was tried.
    expect(states).toBeGreaterThan(300);
  });

  it.each([
    ['the exclusive create is a plain write', 0],
    ["the token is not looked at: a record that is there is another's", 1],
  ] as const)('would not, and the checker finds it, if %s', async (mistake, faults) => {
    const { violation } = await explore(model({ faults, mutation: MISTAKES[mistake] }));
    expect(violation?.error.message).toMatch(/rows|neither published nor staged|a record starts at/);
  });

  it('would not, and the checker finds it, if any record that is there were taken for one of our own', async () => {
    const { violation } = await explore(model({}, 'everybody'));
    expect(violation?.error.message).toMatch(/rows|neither published nor staged|a record starts at/);
  });
});
