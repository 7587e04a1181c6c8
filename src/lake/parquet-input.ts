// Bytes of the lake as hyparquet takes them.
import type { LakeStore } from '../domain/ports.js';
import type { LakeFileNow } from './chain-reader.js';
import { LakeFileMissingError } from './errors.js';

/** A copy of exactly these bytes: a pooled Buffer shares its ArrayBuffer with strangers. */
export function parquetInput(bytes: Uint8Array): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
}

/** Throws LakeFileMissingError, and the store's failures. */
export async function readParquetInput(store: LakeStore, { path, at }: LakeFileNow): Promise<ArrayBuffer> {
  // Published since the log was read: it moved to its final place.
  const bytes = (await store.read(at)) ?? (await store.read(path));
  if (!bytes) throw new LakeFileMissingError(`${path} is named by the commit log, but is not there`);
  return parquetInput(bytes);
}
