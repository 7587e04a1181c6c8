// A lake belongs to one deployment: its name stands in the lake from the first start on (contracts.md, Files and settings).
import { z } from 'zod';
import type { LakeStore } from '../domain/ports.js';
import { LakeClaimedError } from './errors.js';

export interface DeploymentIdentity {
  /** What KAFKA_PREFIX, REDIS_PREFIX and LAKE_URL have in common. */
  readonly name: string;
  /** The source whose rows these are. */
  readonly source: string;
}

const PATH = '_log/deployment.json';
const IdentitySchema = z.object({ v: z.literal(1), name: z.string(), source: z.string() });

/** Writes the identity at the first start. Throws LakeClaimedError where another deployment's is there. */
export async function claimLake(store: LakeStore, { name, source }: DeploymentIdentity): Promise<void> {
  const mine = Buffer.from(`${JSON.stringify({ v: 1, name, source })}\n`);
  if ((await store.read(PATH)) === undefined && (await store.createExclusive(PATH, mine))) return;
  const there = await store.read(PATH);
  const theirs = IdentitySchema.safeParse(there && parse(there)).data;
  if (theirs?.name === name && theirs.source === source) return;
  const whose = theirs ? `deployment '${theirs.name}' with source '${theirs.source}'` : 'something else';
  throw new LakeClaimedError(
    `LAKE_URL: ${PATH} says that this lake belongs to ${whose}, not to '${name}' with source '${source}': give each deployment a lake of its own`,
  );
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
