// One partition's part of a fetch as kafkajs's runner asks for it: committed records, and offsets as the broker's batches have them.
import { type AbortedTransaction, withoutAborted } from './aborted-filter.js';
import type { FetchedRecord } from './fetch-decoding.js';

export interface FetchedPartition {
  readonly partition: number;
  readonly highWatermark: string;
  readonly lastStableOffset: string;
  readonly abortedTransactions: readonly AbortedTransaction[] | null;
  readonly messages: readonly FetchedRecord[] & { readonly endOffset?: number | undefined };
}

/** The committed records of a fetch from an offset on. Control records are none. */
export function committedFrom(from: number, fetched: FetchedPartition): FetchedRecord[] {
  return withoutAborted(fetched.messages, fetched.abortedTransactions).filter(
    ({ offset, isControlRecord }) => offset >= from && !isControlRecord,
  );
}

/** Stands in for kafkajs's consumer/batch.js: the same methods. */
export class FetchedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly highWatermark: string;
  readonly fetchedOffset: string;
  readonly messages: readonly FetchedRecord[];
  readonly #end: number;
  readonly #from: number;

  constructor(topic: string, fetchedOffset: string, fetched: FetchedPartition) {
    this.topic = topic;
    this.partition = fetched.partition;
    this.highWatermark = fetched.highWatermark;
    this.fetchedOffset = fetchedOffset;
    this.#from = Number(fetchedOffset);
    this.#end = fetched.messages.endOffset ?? this.#from;
    this.messages = committedFrom(this.#from, fetched);
  }

  isEmpty(): boolean {
    return this.messages.length === 0;
  }

  /** Markers, aborted records or batches that compaction has emptied: nothing to handle, but the position moves on. */
  isEmptyDueToFiltering(): boolean {
    return this.isEmpty() && this.#end > this.#from;
  }

  /** Where the fetch began, or null where it brought nothing. */
  firstOffset(): string | null {
    return this.#end > this.#from ? this.fetchedOffset : null;
  }

  /** The last offset that the fetch covers, whatever lies there. */
  lastOffset(): string {
    return String(this.#end > this.#from ? this.#end - 1 : Number(this.highWatermark) - 1);
  }

  offsetLag(): string {
    return String(Number(this.highWatermark) - 1 - Number(this.lastOffset()));
  }

  offsetLagLow(): string {
    return this.#end > this.#from ? String(Number(this.highWatermark) - 1 - this.#from) : '0';
  }
}
