// The desk of the active poller: work of requests is done between two looks, one piece after the other, while the turn lasts.
import { SourceRefused } from '../src/mysql/refusal.js';
import type { PollSource, SourceInHand } from './poll-source.js';

/** The source isn't this process's now, or was taken from under the work: whoever has the turn begins it anew. */
export class NotOurTurn extends Error {
  override readonly name = 'NotOurTurn';
}

/** The request can't be met, now or later: its message is the answer, for people and without data. */
export class CommandRefused extends Error {
  override readonly name = 'CommandRefused';
}

export interface SourceDesk {
  /**
   * Does `work` between two looks. Throws CommandRefused and NotOurTurn as `work` does, SourceRefused where the source can't be read,
   * and NotOurTurn after anything else: what was committed by then is unknown, so nothing remembered from before counts.
   */
  between<T>(work: (source: SourceInHand) => Promise<T>): Promise<T>;
  /** Aborts when the turn ends; undefined while there is none. */
  turn(): AbortSignal | undefined;
  /** For the poll loop: the turn begins, does one piece of work, ends. `serve` throws what the loop has to treat. */
  open(): void;
  serve(polling: PollSource): Promise<void>;
  close(): void;
}

interface Piece {
  readonly run: (polling: PollSource) => Promise<void>;
  readonly cancel: () => void;
}

export function createSourceDesk(): SourceDesk {
  const pieces: Piece[] = [];
  let turn: AbortController | undefined;

  return {
    between: <T>(work: (source: SourceInHand) => Promise<T>) =>
      new Promise<T>((resolve, reject) => {
        if (!turn) {
          reject(new NotOurTurn());
          return;
        }
        pieces.push({
          run: async (polling) => {
            try {
              resolve(await polling.between(work));
            } catch (error) {
              const own = error instanceof CommandRefused || error instanceof NotOurTurn;
              reject(own || error instanceof SourceRefused ? error : new NotOurTurn(undefined, { cause: error }));
              // What a request says of itself is none of the loop's business.
              if (!own) throw error;
            }
          },
          cancel: () => reject(new NotOurTurn()),
        });
      }),
    turn: () => turn?.signal,
    open: () => {
      turn ??= new AbortController();
    },
    serve: async (polling) => {
      await pieces.shift()?.run(polling);
    },
    close: () => {
      turn?.abort();
      turn = undefined;
      for (const piece of pieces.splice(0)) piece.cancel();
    },
  };
}
