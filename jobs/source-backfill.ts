// `source backfill`: reads a range of ids again and adds, marked, the rows that the lake lacks.
import type { IdRange } from '../src/domain/gap-ledger.js';
import { markedMessage } from '../src/domain/vitals-row.js';
import { type AddParts, addReadings, type Progress, sameSource, settledWithin, takeMoment } from './source-add.js';
import { CommandRefused } from './source-desk.js';

/** A history says nothing of when a row can have come: its age counts from what the device says. */
const NOT_BEFORE = null;

export interface BackfillAnswer {
  /** Rows of the range that are in the table. */
  readonly read: number;
  readonly added: number;
  /** Were in the lake already. */
  readonly held: number;
  /** Lie there as records that can't be decoded: `dead replay` is for these. */
  readonly dead: number;
  /** Ids that were left to polling: above its position, or in an open gap. */
  readonly left: number;
}

/** Repeatable: what was added before an interruption is in the lake by the next time. Throws CommandRefused, SourceRefused, NotOurTurn, and the lake's failures. */
export async function backfill(
  parts: AddParts & { readonly batchRows: number },
  range: IdRange,
  progress: Progress,
): Promise<BackfillAnswer> {
  if (range.from > range.to) throw new CommandRefused(`--from ${range.from} is above --to ${range.to}`);
  const moment = await takeMoment(parts, progress);
  const settled = settledWithin(range, moment);
  if (settled.length === 0)
    throw new CommandRefused(
      `polling has not done with any of these ids yet (its position is ${moment.high}): it brings them itself`,
    );
  const deadRows = await moment.held.deadRows(moment.readingSource);
  const covered = settled.reduce((sum, { from, to }) => sum + to - from + 1n, 0n);
  const answer = { read: 0, added: 0, held: 0, dead: 0, left: Number(range.to - range.from + 1n - covered) };
  for (let todo: readonly IdRange[] = settled; todo.length > 0; ) {
    const rows = await parts.desk.between(async (inHand) => {
      sameSource(inHand, moment);
      return (await inHand.session()).gapRows(todo, parts.batchRows, NOT_BEFORE);
    });
    await parts.onStep('command.rows-read');
    const held = await moment.held.held(
      moment.readingSource,
      rows.readings.map(({ row }) => row),
    );
    const lacking = rows.readings.filter(({ row }) => !held.has(row) && !deadRows.has(row));
    await addReadings(
      parts,
      moment,
      'backfill',
      lacking.map(({ patientId, value }) => ({ patientId, value: markedMessage(value, 'backfill') })),
    );
    answer.read += rows.readings.length;
    answer.added += lacking.length;
    answer.dead += rows.readings.filter(({ row }) => !held.has(row) && deadRows.has(row)).length;
    answer.held = answer.read - answer.added - answer.dead;
    todo = after(todo, rows.examinedTo);
    progress({ phase: 'rows', read: answer.read, added: answer.added });
  }
  return answer;
}

/** What is left of the ranges above the last id that was looked at; null: all were. */
function after(ranges: readonly IdRange[], examinedTo: bigint | null): IdRange[] {
  if (examinedTo === null) return [];
  return ranges
    .filter(({ to }) => to > examinedTo)
    .map(({ from, to }) => ({ from: from > examinedTo ? from : examinedTo + 1n, to }));
}
