// The whole lake looked over: every record of every chain, every byte of every file, and what lies there that no record names.
import type { LakeStore } from '../domain/ports.js';
import { fileAt, type LakeFileNow, listChains, readChain } from './chain-reader.js';
import { lakeTables } from './columns.js';
import { type LakeFile, parseNames } from './commit-record.js';
import { LakeChainError } from './errors.js';
import { goneText, lookForFile } from './file-sums.js';
import type { Sign } from './views.js';

/** Chains of imports are bound to the source, all others to the cluster. */
const IMPORTS = 'import.';
/** Whose lake it is (src/app/deployment.ts). */
const DEPLOYMENT = '_log/deployment.json';
const FILES_AT_ONCE = 4;

export interface LakeExam {
  /** Files that are whole: what can be asked. */
  readonly files: readonly LakeFileNow[];
  /** Each line begins with the path of what is damaged, missing or strange. */
  readonly damage: readonly string[];
  readonly bytes: number;
}

export interface LakeExamParts {
  readonly store: LakeStore;
  readonly signs: readonly Sign[];
  /** Who may have written chains: the Kafka cluster's id, and the source's name for imports. */
  readonly clusterId: string;
  readonly source: string;
}

/** Reads every byte of the lake once. Throws the store's failures. */
export async function examineLake(parts: LakeExamParts): Promise<LakeExam> {
  const { store } = parts;
  // Folders before records: what was published by then has its record by the time the records are read.
  const there = await listTables(parts);
  const damage: string[] = await strangeRecords(store);
  const named = new Map<string, LakeFile>();
  const brokenChains: string[] = [];
  for (const { topic, partition } of await listChains(store)) {
    try {
      const owner = topic.startsWith(IMPORTS) ? parts.source : parts.clusterId;
      for (const record of await readChain(store, topic, partition)) {
        if (record.clusterId !== owner)
          damage.push(
            `_log/${topic}/${partition}: the record at ${record.start} is of ${record.clusterId}, not ${owner}`,
          );
        for (const file of record.files) named.set(file.path, file);
      }
    } catch (error) {
      if (!(error instanceof LakeChainError)) throw error;
      damage.push(error.message);
      brokenChains.push(`${topic}-${partition}-`);
    }
  }
  for (const path of there) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (!named.has(path) && !brokenChains.some((prefix) => name.startsWith(prefix)))
      damage.push(`${path} is named by no record`);
  }
  const files: LakeFileNow[] = [];
  let bytes = 0;
  const all = [...named.values()];
  for (let i = 0; i < all.length; i += FILES_AT_ONCE) {
    const looked = await Promise.all(all.slice(i, i + FILES_AT_ONCE).map((file) => lookAt(store, file)));
    for (const look of looked) {
      if ('damage' in look) damage.push(look.damage);
      else {
        files.push(look.file);
        bytes += look.file.bytes;
      }
    }
  }
  return { files, damage, bytes };
}

async function listTables({ store, signs }: LakeExamParts): Promise<readonly string[]> {
  const paths: string[] = [];
  for (const { name } of lakeTables(signs.map((sign) => sign.name)))
    for (const { path } of await store.list(name)) paths.push(path);
  return paths;
}

/** What lies in the log and is neither a record nor a checkpoint. */
async function strangeRecords(store: LakeStore): Promise<string[]> {
  const strange: string[] = [];
  for (const { path } of await store.list('_log')) {
    const { records, checkpoints } = parseNames([path]);
    const depth = path.split('/').length;
    const isRecord = records.length + checkpoints.length === 1 && depth === '_log/topic/0/record'.split('/').length;
    if (!isRecord && path !== DEPLOYMENT) strange.push(`${path} is no record of ours`);
  }
  return strange;
}

/** Published, or staged and about to be published by the partition's owner. */
async function lookAt(
  store: LakeStore,
  file: LakeFile,
): Promise<{ readonly file: LakeFileNow } | { readonly damage: string }> {
  const found = await lookForFile(store, file);
  if (!found) return { damage: goneText(file) };
  if (found.damage) return { damage: found.damage };
  return { file: fileAt(file, found.at) };
}
