// `dead replay`: records of vital-info that could not be decoded, read again by today's code or fetched from the table, and added, marked.
import { decodeVitalInfo, readingNamedBy } from '../src/domain/reading.js';
import { markedMessage } from '../src/domain/vitals-row.js';
import {
  type AddParts,
  addReadings,
  type Moment,
  type Progress,
  sameSource,
  settledWithin,
  takeMoment,
} from './source-add.js';

export interface DeadPlace {
  readonly partition: number;
  readonly offset: number;
}

export interface ReplayAnswer {
  readonly added: number;
  /** The lake has that reading already. */
  readonly held: number;
  /** No dead record lies there. */
  readonly unknown: number;
  /** Can't be decoded still, fit no column of the lake, or name no row that the table has. */
  readonly unreadable: number;
  /** Name an id that polling has not done with: it brings it itself. */
  readonly left: number;
}

export interface ReplayParts extends AddParts {
  /** Whether the lake can hold the message as a reading; otherwise it would only be dead once more. */
  readonly fitsLake: (message: string) => boolean;
}

interface Message {
  readonly patientId: string;
  readonly value: string;
}

interface Named {
  readonly source: string;
  readonly row: string;
  /** Undefined: to be read from the table. */
  readonly message: Message | undefined;
}

/** Repeatable, as a backfill. Throws CommandRefused, SourceRefused, NotOurTurn, and the lake's failures. */
export async function replay(
  parts: ReplayParts,
  places: readonly DeadPlace[],
  progress: Progress,
): Promise<ReplayAnswer> {
  const moment = await takeMoment(parts, progress);
  const wanted = new Set(places.map(placeText));
  const records = (await moment.held.dead()).filter((record) => wanted.has(placeText(record)));
  const answer = { added: 0, held: 0, unknown: wanted.size - records.length, unreadable: 0, left: 0 };
  const found = new Map<string, Named>();
  for (const { raw } of records) {
    const named = raw && namedBy(raw, parts.source);
    if (!named) answer.unreadable += 1;
    else if (named.source === moment.readingSource && !isSettled(named.row, moment)) answer.left += 1;
    else if (found.has(keyOf(named))) answer.held += 1;
    else found.set(keyOf(named), named);
  }
  const lacking: Named[] = [];
  for (const named of [...found.values()].sort(byRow)) {
    const there = await moment.held.held(named.source, [named.row]);
    if (there.has(named.row)) answer.held += 1;
    else lacking.push(named);
  }
  const rows = await rowsOf(parts, moment, lacking);
  await parts.onStep('command.rows-read');
  const messages: Message[] = [];
  for (const named of lacking) {
    const message = named.message ?? (named.source === moment.readingSource ? rows.get(named.row) : undefined);
    const value = message && markedMessage(message.value, 'replayed');
    if (message && value !== undefined && parts.fitsLake(value)) messages.push({ patientId: message.patientId, value });
    else answer.unreadable += 1;
  }
  await addReadings(parts, moment, 'replayed', messages);
  answer.added = messages.length;
  progress({ phase: 'rows', added: answer.added });
  return answer;
}

/** Today's decoder first: a newer version's message is why most are dead. */
function namedBy(raw: Buffer, source: string): Named | undefined {
  const named = readingNamedBy(raw);
  if (!named || (named.source !== source && !named.source.startsWith(`${source}@`))) return undefined;
  const decoded = decodeVitalInfo(raw);
  if (decoded.type !== 'reading') return { ...named, message: undefined };
  const { mark: _mark, ...reading } = decoded.reading;
  return { ...named, message: { patientId: reading.patientId, value: JSON.stringify(reading) } };
}

/** The rows as they are in the table now, for what can't be decoded. Since a reset an id of before it means another row. */
async function rowsOf(
  parts: AddParts,
  moment: Moment,
  lacking: readonly Named[],
): Promise<ReadonlyMap<string, Message>> {
  const asked = lacking.filter(({ source, message }) => !message && source === moment.readingSource);
  if (asked.length === 0) return new Map();
  const ranges = asked.map(({ row }) => ({ from: BigInt(row), to: BigInt(row) }));
  const { readings } = await parts.desk.between(async (inHand) => {
    sameSource(inHand, moment);
    return (await inHand.session()).gapRows(ranges, ranges.length, null);
  });
  return new Map(readings.map((reading) => [reading.row, reading]));
}

function isSettled(row: string, moment: Moment): boolean {
  const id = BigInt(row);
  return settledWithin({ from: id, to: id }, moment).length > 0;
}

function keyOf({ source, row }: Named): string {
  return `${source}:${row}`;
}

function byRow(a: Named, b: Named): number {
  return Number(BigInt(a.row) - BigInt(b.row));
}

function placeText({ partition, offset }: DeadPlace): string {
  return `${partition}/${offset}`;
}
