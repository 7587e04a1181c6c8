// Which fetched records are committed: the right form of kafkajs's filter, which reads the broker's list unsorted.
import type { FetchedRecord } from './fetch-decoding.js';

export interface AbortedTransaction {
  readonly producerId: string;
  readonly firstOffset: string;
}

/** A control record's key is version int16, type int16; type 0 ends a transaction as aborted, 1 as committed. */
const ABORT_TYPE = 0;
const TYPE_AT = 2;

/**
 * Leaves out the records of aborted transactions; control records stay (the caller drops them). The broker lists, in no
 * order, each transaction that was aborted and touches the fetch: its records lie between its first offset and its
 * producer's abort marker. Several may be open at once, so all that began are entered before a record is judged.
 */
export function withoutAborted(
  records: readonly FetchedRecord[],
  aborted: readonly AbortedTransaction[] | null | undefined,
): readonly FetchedRecord[] {
  if (!aborted || aborted.length === 0) return records;
  const waiting = aborted.map(({ producerId, firstOffset }) => ({ producerId, first: Number(firstOffset) }));
  waiting.sort((a, b) => a.first - b.first);
  const open = new Set<string>();
  let begun = 0;
  return records.filter((record) => {
    for (let next = waiting[begun]; next && next.first <= record.offset; next = waiting[begun]) {
      open.add(next.producerId);
      begun += 1;
    }
    const { producerId, inTransaction } = record.batchContext;
    if (record.isControlRecord) {
      if (record.key && record.key.length >= 4 && record.key.readInt16BE(TYPE_AT) === ABORT_TYPE)
        open.delete(producerId);
      return true;
    }
    return !(inTransaction && open.has(producerId));
  });
}
