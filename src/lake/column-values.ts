// One column's values in memory, already in Parquet's PLAIN encoding or one step from it: no object a value is kept.
import type { ColumnType, ColumnValue } from './table.js';

/** Small: rows whose instants are all over the calendar (a dead clock, the wrong column) get buffers of their own, one an hour. */
const FIRST_ROOM = 32;
const FIRST_BYTES = 512;
const INT32_MAX = 2 ** 31 - 1;
const INT64_MAX = 2n ** 63n - 1n;
const TWO_32 = 2 ** 32;
const LENGTH_BYTES = 4;
/** UTF-8 takes at most so many bytes for one UTF-16 unit. */
const UTF8_MAX = 3;
/** Below this a loop over ASCII is faster than the call into Node's encoder. */
const SHORT_TEXT = 24;

export type Limits = { readonly min: bigint; readonly max: bigint } | undefined;

/** Append-only. Values are validated by `refusal` before. */
export interface ColumnValues {
  readonly length: number;
  push(value: NonNullable<ColumnValue>): void;
  /** All values as Parquet's PLAIN encoding has them (little-endian, as every processor that Node runs on). */
  plain(): Uint8Array;
  /** Least and greatest, of 64-bit columns. */
  limits(): Limits;
}

export function columnValues(type: ColumnType): ColumnValues {
  switch (type) {
    case 'int64':
      return bigints();
    case 'count':
    case 'timestamp':
      return safeIntegers();
    case 'double':
      return doubles();
    case 'int32':
      return int32s();
    case 'boolean':
      return booleans();
    default:
      return byteArrays();
  }
}

/** Why a value doesn't fit its column; undefined where it does. */
export function refusal(type: ColumnType, value: NonNullable<ColumnValue>): string | undefined {
  switch (type) {
    case 'string':
      return typeof value === 'string' ? (isWellFormed(value) ? undefined : 'half a surrogate pair') : 'not a string';
    case 'bytes':
      return value instanceof Uint8Array ? undefined : 'not bytes';
    case 'int32':
      return typeof value === 'number' && Number.isInteger(value) && value <= INT32_MAX && value >= -INT32_MAX - 1
        ? undefined
        : 'not a 32-bit integer';
    case 'int64':
      return typeof value === 'bigint' && value <= INT64_MAX && value >= -INT64_MAX - 1n
        ? undefined
        : 'not a bigint of 64 bits';
    case 'count':
    case 'timestamp':
      return Number.isSafeInteger(value) ? undefined : 'not a safe integer';
    case 'double':
      return typeof value === 'number' && Number.isFinite(value) ? undefined : 'not a finite number';
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'not a boolean';
  }
}

/** In Node 20 and newer, but not in the es2023 library's types. */
function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}

type Numbers = Float64Array | BigInt64Array | Int32Array | Uint8Array;

function roomier<T extends Numbers>(array: T): T {
  const more = new (array.constructor as new (length: number) => T)(array.length * 2);
  (more as { set(from: T): void }).set(array);
  return more;
}

function bytesOf(array: Numbers): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function bigints(): ColumnValues {
  let values = new BigInt64Array(FIRST_ROOM);
  let length = 0;
  return {
    get length() {
      return length;
    },
    push: (value) => {
      if (length === values.length) values = roomier(values);
      values[length++] = value as bigint;
    },
    plain: () => bytesOf(values.subarray(0, length)),
    limits: () => limitsOf(values.subarray(0, length)),
  };
}

function safeIntegers(): ColumnValues {
  let values = new Float64Array(FIRST_ROOM);
  let length = 0;
  return {
    get length() {
      return length;
    },
    push: (value) => {
      if (length === values.length) values = roomier(values);
      values[length++] = value as number;
    },
    plain: () => {
      const words = new Int32Array(length * 2);
      for (let i = 0; i < length; i++) {
        const value = values[i] as number;
        // Rounding down makes this two's complement for negative values as well.
        const high = Math.floor(value / TWO_32);
        words[2 * i] = value - high * TWO_32;
        words[2 * i + 1] = high;
      }
      return bytesOf(words);
    },
    limits: () => limitsOf(values.subarray(0, length)),
  };
}

function doubles(): ColumnValues {
  let values = new Float64Array(FIRST_ROOM);
  let length = 0;
  return {
    get length() {
      return length;
    },
    push: (value) => {
      if (length === values.length) values = roomier(values);
      values[length++] = value as number;
    },
    plain: () => bytesOf(values.subarray(0, length)),
    limits: () => undefined,
  };
}

function int32s(): ColumnValues {
  let values = new Int32Array(FIRST_ROOM);
  let length = 0;
  return {
    get length() {
      return length;
    },
    push: (value) => {
      if (length === values.length) values = roomier(values);
      values[length++] = value as number;
    },
    plain: () => bytesOf(values.subarray(0, length)),
    limits: () => undefined,
  };
}

/** One bit a value, lowest first. */
function booleans(): ColumnValues {
  let bits = new Uint8Array(FIRST_ROOM);
  let length = 0;
  return {
    get length() {
      return length;
    },
    push: (value) => {
      const at = length >> 3;
      if (at === bits.length) bits = roomier(bits);
      if (value) bits[at] = (bits[at] as number) | (1 << (length & 7));
      length += 1;
    },
    plain: () => bits.subarray(0, (length + 7) >> 3),
    limits: () => undefined,
  };
}

/** Strings and bytes, each behind its length. */
function byteArrays(): ColumnValues {
  let bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  let used = 0;
  let length = 0;

  const reserve = (more: number): void => {
    if (used + more <= bytes.length) return;
    const roomy = Buffer.allocUnsafeSlow(Math.max(bytes.length * 2, used + more));
    bytes.copy(roomy, 0, 0, used);
    bytes = roomy;
  };

  /** How many bytes were written at `start`; -1 where the text isn't ASCII. */
  const writeAscii = (text: string, start: number): number => {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 127) return -1;
      bytes[start + i] = code;
    }
    return text.length;
  };

  return {
    get length() {
      return length;
    },
    push: (value) => {
      const start = used + LENGTH_BYTES;
      let size: number;
      if (typeof value === 'string') {
        reserve(LENGTH_BYTES + value.length * UTF8_MAX);
        size = value.length <= SHORT_TEXT ? writeAscii(value, start) : -1;
        if (size < 0) size = bytes.write(value, start, 'utf8');
      } else {
        size = (value as Uint8Array).length;
        reserve(LENGTH_BYTES + size);
        bytes.set(value as Uint8Array, start);
      }
      bytes.writeUInt32LE(size, used);
      used = start + size;
      length += 1;
    },
    plain: () => bytes.subarray(0, used),
    limits: () => undefined,
  };
}

function limitsOf(values: Float64Array | BigInt64Array): Limits {
  if (values.length === 0) return undefined;
  let min = values[0] as number | bigint;
  let max = min;
  for (let i = 1; i < values.length; i++) {
    const value = values[i] as number | bigint;
    if (value < min) min = value;
    else if (value > max) max = value;
  }
  return { min: BigInt(min), max: BigInt(max) };
}
