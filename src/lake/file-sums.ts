// Are a committed file's bytes those that were committed? Asked before a predecessor's work is published, and of a chain as it is found.
import { createHash } from 'node:crypto';
import type { LakeStore } from '../domain/ports.js';
import type { LakeFile } from './commit-record.js';
import { LakeFileDamagedError, LakeFileMissingError } from './errors.js';

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Undefined where these are the bytes that the record names; otherwise what is wrong with them, without their path. */
export function damageOf(file: LakeFile, bytes: Uint8Array): string | undefined {
  if (bytes.length !== file.bytes) return `has ${bytes.length} bytes, its record says ${file.bytes}`;
  return sha256Of(bytes) === file.sha256 ? undefined : 'has other bytes than were committed';
}

/** Where a committed file may lie, in the order to look. Published by another between two looks: the last look finds it. */
export function placesOf({ path, staged }: LakeFile): readonly string[] {
  return [path, staged, path];
}

/** What is said of a file that lies nowhere. */
export function goneText({ path }: LakeFile): string {
  return `${path} is named by the commit log, but is neither published nor staged`;
}

/**
 * Where a committed file lies now, and what is wrong with its bytes there, the path included; undefined where it lies nowhere. Throws the
 * store's failures.
 */
export async function lookForFile(
  store: LakeStore,
  file: LakeFile,
): Promise<{ readonly at: string; readonly damage: string | undefined } | undefined> {
  for (const at of placesOf(file)) {
    const bytes = await store.read(at);
    if (!bytes) continue;
    const damage = damageOf(file, bytes);
    return { at, damage: damage && `${at} ${damage}` };
  }
  return undefined;
}

/**
 * Publishes a file that a predecessor committed, if that was still to be done. Throws LakeFileMissingError or
 * LakeFileDamagedError, and then nothing was moved or overwritten.
 */
export async function rollForward(store: LakeStore, file: LakeFile): Promise<void> {
  const found = await lookForFile(store, file);
  if (!found) throw new LakeFileMissingError(goneText(file));
  if (found.damage) throw new LakeFileDamagedError(found.damage);
  // Also where it has been moved: the move may not be durable yet.
  await store.publish(file.staged, file.path);
}
