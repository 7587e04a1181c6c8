// Runs a few asynchronous programs over one map of files in every order of their file operations: a model checker for the lake's protocols.
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { LakeStore } from '../../src/domain/ports.js';
import { LakeFileMissingError } from '../../src/lake/errors.js';

/** Path → content. Contents are text, so that a state can be compared. */
export type Files = ReadonlyMap<string, string>;

/** What a program may change of its view of the files: for protocols with a mistake planted. */
export type Mutation = (store: LakeStore) => LakeStore;

export interface Model {
  /** Each over a store of its own; all see the same files. They must do nothing that isn't a function of what the store answers. */
  readonly programs: readonly ((store: LakeStore) => Promise<void>)[];
  /** Answers that get lost (carried out or not) in one history, at most. */
  readonly faults: number;
  /** Operations that nobody else can notice are carried out at once: fewer orders, the same outcomes. */
  readonly unnoticed?: (operation: string, path: string) => boolean;
  readonly mutation?: Mutation;
  /** Throws where the files are wrong, after each operation. */
  readonly check: (files: Files) => void | Promise<void>;
}

export interface Explored {
  readonly states: number;
  readonly histories: number;
  /** The operations that led to the wrong state. */
  readonly violation?: { readonly error: Error; readonly history: readonly string[] };
}

/** What happens next: program `who`'s oldest waiting operation, done, or with its answer lost. */
interface Choice {
  readonly who: number;
  readonly how: 'done' | 'done-unanswered' | 'refused';
}

/**
 * Every order, and every place for the lost answers. A program that is never chosen again has crashed or sleeps: what the others
 * do meanwhile is among the orders, and `check` is asked of every state. States that were seen before aren't gone into again:
 * a state is the files and what each program has been answered.
 */
export async function explore(model: Model, statesAtMost = Number.POSITIVE_INFINITY): Promise<Explored> {
  const seen = new Set<string>();
  const checked = new Set<string>();
  const open: (readonly Choice[])[] = [[]];
  let histories = 0;
  for (let prefix = open.pop(); prefix; prefix = open.pop()) {
    const run = await startRun(model);
    histories += 1;
    for (const choice of prefix) await run.step(choice);
    const path = [...prefix];
    for (;;) {
      const { key, files } = run.state();
      if (seen.has(key)) break;
      seen.add(key);
      if (seen.size > statesAtMost) throw new Error(`more than ${statesAtMost} states`);
      if (!checked.has(files)) {
        checked.add(files);
        try {
          await model.check(run.files);
        } catch (error) {
          return { states: seen.size, histories, violation: { error: error as Error, history: run.history } };
        }
      }
      const [first, ...others] = run.choices();
      if (!first) break;
      for (const other of others) open.push([...path, other]);
      path.push(first);
      await run.step(first);
    }
  }
  return { states: seen.size, histories };
}

interface Waiting {
  readonly name: string;
  readonly path: string;
  readonly carryOut: () => unknown;
  readonly settle: (outcome: { value: unknown } | { error: Error }) => void;
}

async function startRun({ programs, faults, unnoticed, mutation }: Model) {
  const files = new Map<string, string>();
  const history: string[] = [];
  const waiting: Waiting[][] = programs.map(() => []);
  /** What each program has been answered so far, in short. */
  const answers: string[] = programs.map(() => '');
  let left = faults;
  const stores = programs.map((_, who) => storeOver(files, waiting[who] as Waiting[]));
  programs.forEach((program, who) => {
    const store = stores[who] as LakeStore;
    void program(mutation ? mutation(store) : store);
  });

  const answer = (who: number, how: Choice['how']): void => {
    const operation = waiting[who]?.shift();
    if (!operation) throw new Error(`program ${who} waits for nothing: it is not deterministic`);
    let outcome: { value: unknown } | { error: Error };
    try {
      const value = how === 'refused' ? undefined : operation.carryOut();
      outcome = how === 'done' ? { value } : { error: new Error('the answer was lost') };
    } catch (error) {
      outcome = { error: error as Error };
    }
    history.push(`${who}: ${operation.name} ${operation.path} ${how}`);
    answers[who] = digest(`${answers[who]} ${how} ${'value' in outcome ? inShort(outcome.value) : 'error'}`);
    operation.settle(outcome);
  };

  /** Until every program waits for an operation that matters, or has ended. */
  const calm = async (): Promise<void> => {
    for (;;) {
      await setImmediate();
      const who = waiting.findIndex(([next]) => next && unnoticed?.(next.name, next.path));
      if (who < 0) return;
      answer(who, 'done');
    }
  };
  await calm();
  return {
    files: files as Files,
    history: history as readonly string[],
    state: () => {
      const names = [...files.keys()].sort();
      const content = digest(JSON.stringify(names.map((name) => [name, files.get(name)])));
      return {
        files: content,
        key: `${content} ${left} ${answers.join(' ')} ${waiting.map(({ length }) => length).join()}`,
      };
    },
    choices: (): readonly Choice[] =>
      waiting.flatMap(([next], who): readonly Choice[] => {
        if (!next) return [];
        const changes = next.name !== 'read' && next.name !== 'list';
        const lost: readonly Choice[] = changes ? [{ who, how: 'done-unanswered' }] : [];
        return [{ who, how: 'done' }, ...(left > 0 ? [...lost, { who, how: 'refused' } as const] : [])];
      }),
    step: async ({ who, how }: Choice) => {
      if (how !== 'done') left -= 1;
      answer(who, how);
      await calm();
    },
  };
}

/** A store whose operations wait until they are chosen. */
function storeOver(files: Map<string, string>, waiting: Waiting[]): LakeStore {
  const later = <T>(name: string, path: string, carryOut: () => T): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      waiting.push({
        name,
        path,
        carryOut,
        settle: (outcome) => ('error' in outcome ? reject(outcome.error) : resolve(outcome.value as T)),
      });
    });
  return { url: 'model:', ...operations(files, later) };
}

/** A store whose operations happen at once, for whoever looks at a state alone. */
export function storeAtOnce(files: Map<string, string>): LakeStore {
  return { url: 'model:', ...operations(files, async (_name, _path, carryOut) => carryOut()) };
}

function operations(
  files: Map<string, string>,
  doing: <T>(name: string, path: string, carryOut: () => T) => Promise<T>,
): Omit<LakeStore, 'url'> {
  return {
    write: (path, bytes) => {
      const text = Buffer.from(bytes).toString();
      return doing('write', path, () => void files.set(path, text));
    },
    createExclusive: (path, bytes) => {
      const text = Buffer.from(bytes).toString();
      return doing('createExclusive', path, () => {
        if (files.has(path)) return false;
        files.set(path, text);
        return true;
      });
    },
    publish: (from, to) =>
      doing('publish', to, () => {
        const text = files.get(from);
        if (text === undefined) {
          if (!files.has(to)) throw new LakeFileMissingError(to);
          return;
        }
        files.delete(from);
        files.set(to, text);
      }),
    read: (path) =>
      doing('read', path, () => {
        const text = files.get(path);
        return text === undefined ? undefined : Buffer.from(text);
      }),
    list: (folder) =>
      doing('list', folder, () =>
        [...files]
          .filter(([path]) => path.startsWith(`${folder}/`))
          .map(([path, text]) => ({ path, bytes: Buffer.byteLength(text) }))
          .sort((a, b) => (a.path < b.path ? -1 : 1)),
      ),
    delete: (path) => doing('delete', path, () => void files.delete(path)),
    removeLeftovers: async () => 0,
  };
}

function inShort(answer: unknown): string {
  return Buffer.isBuffer(answer) ? answer.toString() : JSON.stringify(answer);
}

function digest(text: string): string {
  return createHash('sha1').update(text).digest('base64');
}
