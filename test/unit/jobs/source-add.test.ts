// Which ids of a range polling has done with: against a model that looks at each.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { settledWithin } from '../../../jobs/source-add.js';

it('is everything up to the position that is in no gap', () => {
  const range = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 12 }));
  fc.assert(
    fc.property(range, fc.array(range, { maxLength: 5 }), fc.integer({ min: 0, max: 50 }), (asked, gaps, high) => {
      const open = new Set(gaps.flatMap(([from, more]) => [...Array(more + 1).keys()].map((n) => from + n)));
      const ascending = [...open].sort((a, b) => a - b);
      // As a ledger has them: ascending, disjoint.
      const ranges = ascending.flatMap((id) =>
        open.has(id - 1) ? [] : [{ from: BigInt(id), to: BigInt(endOf(open, id)) }],
      );
      const [from, to] = [asked[0], asked[0] + asked[1]];
      const settled = settledWithin({ from: BigInt(from), to: BigInt(to) }, { high: BigInt(high), gaps: ranges });
      const found = settled.flatMap((one) => idsOf(one));
      const expected = idsOf({ from: BigInt(from), to: BigInt(to) }).filter((id) => id <= high && !open.has(id));
      expect(found).toEqual(expected);
    }),
  );
});

function endOf(open: ReadonlySet<number>, id: number): number {
  let end = id;
  while (open.has(end + 1)) end += 1;
  return end;
}

function idsOf({ from, to }: { from: bigint; to: bigint }): number[] {
  const ids: number[] = [];
  for (let id = from; id <= to; id += 1n) ids.push(Number(id));
  return ids;
}
