// The rest of the comparison after a restart: rows that vital-info no longer has, against the lake, beside polling and without holding it up.
import type { Clock, Logger, Metrics } from '../src/domain/ports.js';
import { SourceRefused } from '../src/mysql/refusal.js';

const AGAIN_AFTER_MS = 60_000;
const IDS_NAMED = 5;

/** Hashes of what the lake has of these rows, under this source's name in readings. */
export type LakeHashes = (
  source: string,
  ids: ReadonlySet<string>,
) => Promise<ReadonlyMap<string, ReadonlySet<string>>>;

export interface LakeCheck {
  /** A comparison with vital-info has left these (id → hash); none: it is complete. Forgets what an earlier one left. */
  left(source: string, rows: ReadonlyMap<string, string>): void;
  /** Looked at with each look at the table: true once nothing is left. Throws SourceRefused where a row differs from the lake's. */
  passed(): boolean;
}

/** Without `lake` nothing is compared, and what was left stays left. */
export function createLakeCheck(parts: {
  readonly lake: LakeHashes | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}): LakeCheck {
  const { lake, clock, log, metrics } = parts;
  let todo: { readonly source: string; readonly rows: ReadonlyMap<string, string> } | undefined;
  let refusal: { readonly error: SourceRefused; readonly differ: ReadonlyMap<string, string> } | undefined;
  let running = false;
  let againMs = Number.NEGATIVE_INFINITY;

  const compare = async (mine: NonNullable<typeof todo>, ask: LakeHashes): Promise<void> => {
    const hashes = await ask(mine.source, new Set(mine.rows.keys()));
    if (todo !== mine) return;
    const differ = new Map([...mine.rows].filter(([id, hash]) => hashes.get(id)?.has(hash) === false));
    const lacking = [...mine.rows.keys()].filter((id) => !hashes.has(id));
    if (differ.size > 0) {
      const named = `${[...differ.keys()].slice(0, IDS_NAMED).join(', ')}${differ.size > IDS_NAMED ? ', …' : ''}`;
      const error = new SourceRefused(
        'rows-differ',
        `the server was restarted, and ${differ.size} rows say something else than the lake's (${named}). It is an older copy of itself, or somebody changed rows. Find out which; \`wardwatch source reset\` accepts the table as it is`,
      );
      refusal = { error, differ };
      return;
    }
    todo = undefined;
    metrics.gauge('poll_restart_unchecked_rows', lacking.length);
    log.info('poll.restart-compared-with-lake', { compared: mine.rows.size - lacking.length, lacking: lacking.length });
  };

  return {
    left: (source, rows) => {
      // A refused source is opened again and again: it stays refused for as long as these rows say the same.
      if (refusal && ![...refusal.differ].every(([id, hash]) => rows.get(id) === hash)) refusal = undefined;
      todo = rows.size === 0 ? undefined : { source, rows };
      againMs = Number.NEGATIVE_INFINITY;
    },
    passed: () => {
      if (refusal) throw refusal.error;
      if (todo && lake && !running && clock.monotonicMs() >= againMs) {
        running = true;
        compare(todo, lake)
          .catch((error: unknown) => {
            // The lake is away: polling goes on, and this is tried again.
            log.warn('poll.lake-check-failed', { error: (error as Error).name });
            againMs = clock.monotonicMs() + AGAIN_AFTER_MS;
          })
          .finally(() => {
            running = false;
          });
      }
      return todo === undefined;
    },
  };
}
