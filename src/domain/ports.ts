// What actors ask for: the narrow interfaces that adapters implement and tests replace. Types only.
import type { MetricName } from './metric-table.js';
import type { Step } from './steps.js';

/** Time as a parameter. Milliseconds; `monotonicMs` never jumps and is for leases, intervals and time-outs. */
export interface Clock {
  nowMs(): number;
  monotonicMs(): number;
  /** Resolves after `ms`, or at once when the signal aborts (it never rejects). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Called at each named step of a protocol (steps.ts): production passes a no-op, fault tests end the process there. */
export type OnStep = (step: Step) => void | Promise<void>;

/** Fields of a log line: an allow-list given by the caller. Of a patient nothing but the id. */
export type LogFields = Readonly<
  Record<string, string | number | boolean | null | undefined | readonly string[] | readonly number[]>
>;

/** A log whose lines are stable event names (`poll.page`) with fields. */
export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  /** `error` adds the class, code and stack of `cause`, never a message that could quote data. */
  error(event: string, fields?: LogFields, cause?: unknown): void;
  child(fields: LogFields): Logger;
}

/** Metrics by the names of metric-table.ts. An unknown name or label throws: a metric is a row of that table. */
export interface Metrics {
  count(name: MetricName, labels?: Readonly<Record<string, string>>, n?: number): void;
  gauge(name: MetricName, value: number, labels?: Readonly<Record<string, string>>): void;
  /** Seconds. */
  observe(name: MetricName, seconds: number, labels?: Readonly<Record<string, string>>): void;
}

// ── Kafka ────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface OutRecord {
  readonly topic: string;
  /** Explicit partition; otherwise murmur2 of the key. */
  readonly partition?: number;
  readonly key: string | null;
  /** null is a tombstone. */
  readonly value: string | null;
}

/** A committed record. Offsets are numbers: a partition stays below 2^53 records. */
export interface ReceivedRecord {
  readonly offset: number;
  /** Milliseconds, from the broker. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer | string | undefined>>;
}

/** One transactional id. After any throw it is unusable: close it, make another, own anew. */
export interface TransactionalProducer {
  /** All records in one transaction, in order, in bounded chunks. The first one fences a predecessor. Throws FencedError when another owns the id; any other throw leaves the outcome unknown. */
  transact(records: readonly OutRecord[]): Promise<void>;
  close(): Promise<void>;
}

/** Idempotent, acks all. */
export interface PlainProducer {
  /** Resolves when all are acknowledged, with where each record lies. */
  send(records: readonly OutRecord[]): Promise<readonly { readonly partition: number; readonly offset: number }[]>;
  close(): Promise<void>;
}

/** Reads one partition without a group: states, rebuilds, audit. Committed records only. */
export interface PartitionReader {
  /** Log start, and the stable end: the offset after the last record that a committed reader can see now. */
  offsets(topic: string, partition: number): Promise<{ readonly start: number; readonly stableEnd: number }>;
  /**
   * Calls `onRecord` for each committed record from `from` on, up to the record that carries `untilToken`
   * (key `token`, value = the token; it is not passed on) or, without one, up to the stable end of this moment, and not to `to`.
   * Resolves with the offset after the last one read. Throws when a token does not come within the time-out.
   */
  read(
    topic: string,
    partition: number,
    options: {
      readonly from?: number;
      readonly to?: number;
      readonly untilToken?: string;
      readonly timeoutMs?: number;
    },
    onRecord: (record: ReceivedRecord) => void,
  ): Promise<{ readonly next: number }>;
  close(): Promise<void>;
}

/** A partition while we own it: private state of one actor. */
export interface PartitionWork {
  /** The first offset to handle. */
  readonly expected: number;
  /**
   * Records from `expected` on, in order, none twice; `next` is the offset after the fetch, markers included.
   * `records` may be empty (markers, aborted records). A throw forgets the partition: it is owned anew.
   */
  handle(records: readonly ReceivedRecord[], next: number): Promise<void>;
  /** Ours no more, or the worker stops (`stop`: make durable what can be first). Must not throw. */
  release(why: 'lost' | 'failed' | 'stop'): Promise<void>;
}

export interface Ownership {
  readonly topic: string;
  readonly partition: number;
  /** False once the partition was lost, failed or stopped: look after every await, and let go. */
  isOurs(): boolean;
  /** For failures outside `handle` (timers): forgets the partition, which is then owned anew. */
  fail(error: unknown): void;
  /** For long work inside `own` or `handle`. */
  heartbeat(): Promise<void>;
}

export interface OwnedConsumerOptions {
  readonly groupId: string;
  readonly topics: readonly string[];
  /** Takes ownership: fence, read state. A throw is logged, and tried again at the next heartbeat. */
  own(ownership: Ownership): Promise<PartitionWork>;
  /** The largest fetch of one partition, bytes. */
  readonly maxBytesPerPartition?: number;
}

export interface PartitionStatus {
  readonly topic: string;
  readonly partition: number;
  readonly state: 'owning' | 'ready' | 'wait';
  /** Next offset to handle; -1 while not ready. */
  readonly expected: number;
  /** Monotonic ms of the last handled batch, or of becoming ready. */
  readonly lastProgressMs: number;
  /** Records behind the high watermark at the last fetch; -1 unknown. */
  readonly lag: number;
  readonly busySinceMs: number | null;
}

/** A consumer group whose members own partitions by the recipe in shared/design/kafkajs.md. */
export interface OwnedConsumer {
  start(): Promise<void>;
  /** Finish what is being handled, release('stop') all, leave the group. */
  stop(): Promise<void>;
  status(): readonly PartitionStatus[];
  /** Resolves with the error if the group can't go on (the process must end). */
  readonly crashed: Promise<Error>;
}

// ── Lake ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Paths are relative to LAKE_URL, with '/', without ':' or '..'. Everything that resolves is durable. */
export interface LakeStore {
  readonly url: string;
  /** Writes a whole file (replacing one of that name) and makes it durable. For _staging only. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Creates the file whole and durable, or answers false where one of that name exists: one winner among racers. */
  createExclusive(path: string, bytes: Uint8Array): Promise<boolean>;
  /** Moves `from` to `to`, durable. Repeatable: `from` gone and `to` there is success. Both gone: LakeFileMissingError. */
  publish(from: string, to: string): Promise<void>;
  /** Undefined where there is no such file. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Files below the folder, recursively, sorted by path; empty where there is none. */
  list(folder: string): Promise<readonly { readonly path: string; readonly bytes: number }[]>;
  delete(path: string): Promise<void>;
  /** Removes what writers that died left half-written below the folder, and answers how much. Nothing that is younger than an hour at `nowMs`, so nothing of a living writer. */
  removeLeftovers(folder: string, nowMs: number): Promise<number>;
}

/** What may fail on a disk, so that tests can make it fail. Absolute paths. */
export interface FileOps {
  writeFile(path: string, bytes: Uint8Array): Promise<void>;
  fsyncFile(path: string): Promise<void>;
  fsyncFolder(path: string): Promise<void>;
  link(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  readFile(path: string): Promise<Uint8Array>;
  readdir(
    path: string,
  ): Promise<
    readonly { readonly name: string; readonly folder: boolean; readonly bytes: number; readonly modifiedMs: number }[]
  >;
  mkdir(path: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Refuses a folder that isn't empty. */
  rmdir(path: string): Promise<void>;
  exists(path: string): Promise<boolean>;
}
