// A disk in memory that forgets, at a power cut, what nobody has synced: files' bytes without their own sync, names without their folder's.
// A rename is there wholly or not at all, as file systems with a journal have it.
import path from 'node:path';
import type { FileOps } from '../../src/domain/ports.js';

interface FileNode {
  readonly kind: 'file';
  data: Buffer;
  /** What a cut leaves of it. */
  synced: Buffer;
}
interface FolderNode {
  readonly kind: 'folder';
  readonly now: Map<string, Node>;
  /** The names that outlive a cut. */
  synced: Map<string, Node>;
}
type Node = FileNode | FolderNode;

/** A rename of which no folder has been synced yet. */
interface Move {
  readonly from: FolderNode;
  readonly fromName: string;
  readonly to: FolderNode;
  readonly toName: string;
  readonly node: Node;
}

const folder = (): FolderNode => ({ kind: 'folder', now: new Map(), synced: new Map() });
const failure = (code: string, at: string) => Object.assign(new Error(`${code}: ${at}`), { code });

/** Thrown by every call after the power is gone, and never caught: nothing of this process goes on. */
export class PowerCut extends Error {
  override readonly name = 'PowerCut';
}

export interface VolatileDisk {
  readonly files: FileOps;
  /** Calls so far. */
  calls(): number;
  /** The power goes just before call number `n` (from 0). */
  cutAt(n: number): void;
  /**
   * What is there when the power is back. `keep`: which of the names that were not synced are there all the same (and which removed
   * ones are gone); bytes that were not synced never are.
   */
  reboot(keep: () => boolean): VolatileDisk;
}

/** Holds the folders of `at` from the beginning. */
export function volatileDisk(at: string, root: FolderNode = made(at)): VolatileDisk {
  let calls = 0;
  let cut = Number.POSITIVE_INFINITY;
  let moves: Move[] = [];
  /** Both halves of a rename become durable with either folder. */
  const settle = (move: Move) => {
    if (move.from.synced.get(move.fromName) === move.node) move.from.synced.delete(move.fromName);
    move.to.synced.set(move.toName, move.node);
  };
  const find = (name: string): Node | undefined => {
    let node: Node | undefined = root;
    for (const part of name.split('/').filter(Boolean)) {
      if (node?.kind !== 'folder') throw failure('ENOTDIR', name);
      node = node.now.get(part);
      if (!node) return undefined;
    }
    return node;
  };
  const folderAt = (name: string): FolderNode => {
    const node = find(name);
    if (!node) throw failure('ENOENT', name);
    if (node.kind !== 'folder') throw failure('ENOTDIR', name);
    return node;
  };
  const fileAt = (name: string): FileNode => {
    const node = find(name);
    if (node?.kind !== 'file') throw failure('ENOENT', name);
    return node;
  };
  const beside = (name: string) => ({ holder: folderAt(path.dirname(name)), name: path.basename(name) });
  const call = async <T>(work: () => T): Promise<T> => {
    if (calls >= cut) throw new PowerCut('no power');
    calls += 1;
    return work();
  };
  const files: FileOps = {
    writeFile: (name, bytes) =>
      call(() => {
        const { holder, name: own } = beside(name);
        const file = holder.now.get(own);
        if (file?.kind === 'file') file.data = Buffer.from(bytes);
        else holder.now.set(own, { kind: 'file', data: Buffer.from(bytes), synced: Buffer.alloc(0) });
      }),
    fsyncFile: (name) =>
      call(() => {
        const file = fileAt(name);
        file.synced = file.data;
      }),
    fsyncFolder: (name) =>
      call(() => {
        const holder = folderAt(name);
        for (const move of moves) if (move.from === holder || move.to === holder) settle(move);
        moves = moves.filter(({ from, to }) => from !== holder && to !== holder);
        holder.synced = new Map(holder.now);
      }),
    link: (from, to) =>
      call(() => {
        const file = fileAt(from);
        const { holder, name } = beside(to);
        if (holder.now.has(name)) throw failure('EEXIST', to);
        holder.now.set(name, file);
      }),
    rename: (from, to) =>
      call(() => {
        const file = fileAt(from);
        const target = beside(to);
        const source = beside(from);
        source.holder.now.delete(source.name);
        target.holder.now.set(target.name, file);
        moves.push({ from: source.holder, fromName: source.name, to: target.holder, toName: target.name, node: file });
      }),
    readFile: (name) => call(() => Buffer.from(fileAt(name).data)),
    readdir: (name) =>
      call(() =>
        [...folderAt(name).now].map(([own, node]) => ({
          name: own,
          folder: node.kind === 'folder',
          bytes: node.kind === 'file' ? node.data.length : 0,
          modifiedMs: 0,
        })),
      ),
    mkdir: (name) =>
      call(() => {
        const { holder, name: own } = beside(name);
        if (holder.now.has(own)) throw failure('EEXIST', name);
        holder.now.set(own, folder());
      }),
    unlink: (name) =>
      call(() => {
        fileAt(name);
        const { holder, name: own } = beside(name);
        holder.now.delete(own);
      }),
    rmdir: (name) =>
      call(() => {
        if (folderAt(name).now.size > 0) throw failure('ENOTEMPTY', name);
        const { holder, name: own } = beside(name);
        holder.now.delete(own);
      }),
    exists: (name) => call(() => find(name) !== undefined),
  };
  return {
    files,
    calls: () => calls,
    cutAt: (n) => {
      cut = n;
    },
    reboot: (keep) => {
      const undone = new Set<Node>();
      for (const move of moves) {
        if (keep()) settle(move);
        else undone.add(move.node);
      }
      return volatileDisk(at, survivor(root, keep, undone) as FolderNode);
    },
  };
}

/** `undone`: whose renames didn't come to pass, so that their old names stay and their new ones aren't there. */
function survivor(node: Node, keep: () => boolean, undone: ReadonlySet<Node>): Node {
  if (node.kind === 'file') return { kind: 'file', data: node.synced, synced: node.synced };
  const left = new Map<string, Node>();
  for (const name of new Set([...node.synced.keys(), ...node.now.keys()])) {
    const [before, now] = [node.synced.get(name), node.now.get(name)];
    const stays = before === now || [before, now].some((other) => other && undone.has(other)) || !keep();
    const there = stays ? before : now;
    if (there) left.set(name, survivor(there, keep, undone));
  }
  return { kind: 'folder', now: left, synced: new Map(left) };
}

function made(at: string): FolderNode {
  const root = folder();
  let holder = root;
  for (const part of at.split('/').filter(Boolean)) {
    const next = folder();
    holder.now.set(part, next);
    holder.synced.set(part, next);
    holder = next;
  }
  return root;
}
