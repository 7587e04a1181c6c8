// What `wardwatch dead` does. What it prints comes from the lake, at the request of the person who types: standard output, nowhere else.
import { createBase } from '../app/base.js';
import { type Base, type Connections, lakeCopies } from '../app/connections.js';
import { SayError } from '../app/explain.js';
import { withConnections } from '../app/once.js';
import { EXIT } from '../app/process.js';
import { readingNamedBy } from '../domain/reading.js';
import { archivedTopics } from '../lake/archived-topics.js';
import { lakeQuery } from '../lake/query.js';
import type { DeadFilter, ListOptions, PlaceOptions, ReplayOptions } from './dead.js';
import type { CliContext } from './program.js';
import { REQUEST_NEEDS, replayDead } from './run-request.js';
import { renderColumns } from './text-table.js';

const READINGS = 'vital-info';
const EVERY = Number.MAX_SAFE_INTEGER;

interface Dead {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly reason: string;
  readonly at: string;
  readonly headers: string | null;
  readonly key: Buffer | null;
  readonly raw: Buffer | null;
}

/** A dead record with the reading that it is about, where it says so, and how that reading stands in the lake. */
interface Listed extends Dead {
  readonly reading: string | null;
  readonly inLake: 'no' | 'yes' | 'replayed' | 'backfill' | null;
}

export async function listDead(options: ListOptions, context: CliContext): Promise<number> {
  const listed = await withLake(context, {}, async (lake) =>
    withReadings(lake, await lake.dead(options, options.limit)),
  );
  const rows = listed.map(({ raw, key: _key, headers: _headers, ...one }) => ({ ...one, bytes: raw?.length ?? null }));
  if (options.json) context.out(JSON.stringify(rows));
  else if (rows.length === 0) context.out('no dead record');
  else
    context.out(
      renderColumns(
        ['topic', 'partition', 'offset', 'reason', 'at', 'bytes', 'reading', 'in the lake'],
        rows.map((row) =>
          [
            row.topic,
            row.partition,
            row.offset,
            row.reason,
            row.at,
            row.bytes ?? 'none',
            row.reading ?? '?',
            row.inLake ?? '',
          ].map(String),
        ),
      ),
    );
  return EXIT.ok;
}

/** 1 where no dead record lies there. */
export async function showDead({ topic, partition, offset }: PlaceOptions, context: CliContext): Promise<number> {
  const dead = await withLake(context, {}, (lake) => lake.dead({ topic }, EVERY, { partition, offset }));
  const [one] = dead;
  if (!one) {
    context.out(`✗ no dead record of ${topic} lies at partition ${partition}, offset ${offset}`);
    return EXIT.failed;
  }
  const named = one.raw && readingNamedBy(one.raw);
  context.out(`place    ${topic}, partition ${partition}, offset ${offset}, written ${one.at}`);
  context.out(`reason   ${one.reason}`);
  if (named) context.out(`reading  ${named.source}:${named.row}`);
  context.out(`key      ${one.key === null ? 'none' : readable(one.key)}`);
  if (one.headers !== null) context.out(`headers  ${one.headers}`);
  context.out(one.raw === null ? 'value    none (a tombstone)' : readable(one.raw));
  return EXIT.ok;
}

export async function runReplay(options: ReplayOptions, context: CliContext): Promise<number> {
  const { all, partition, offset, reason } = options;
  const one = partition !== undefined && offset !== undefined;
  if ((all === true) === one || (reason !== undefined && !all))
    throw new SayError('say which: --partition and --offset of one record, or --all, with a --reason if you like');
  return withLake(context, REQUEST_NEEDS, async (lake, base, connections) => {
    const places = one
      ? [{ partition, offset }]
      : (await withReadings(lake, await lake.dead({ topic: READINGS, ...(reason ? { reason } : {}) }, EVERY)))
          .filter(({ inLake }) => inLake === null || inLake === 'no')
          .map((dead) => ({ partition: dead.partition, offset: dead.offset }));
    if (places.length > 0) return replayDead(places, base, connections, context);
    context.out('✓ nothing to replay');
    return EXIT.ok;
  });
}

interface DeadLake {
  dead(filter: DeadFilter, limit: number, place?: { partition: number; offset: number }): Promise<Dead[]>;
  /** Marks of the readings that the lake has, by id; null: as polling brought it. */
  marks(ids: readonly { readonly source: string; readonly row: string }[]): Promise<ReadonlyMap<string, string | null>>;
}

async function withLake<T>(
  context: CliContext,
  more: { needs?: typeof REQUEST_NEEDS.needs; needsSource?: boolean | undefined },
  work: (lake: DeadLake, base: Base, connections: Connections) => Promise<T>,
): Promise<T> {
  const base = createBase({
    envFile: context.envFile(),
    needs: ['LAKE_URL', ...(more.needs ?? [])],
    needsSource: more.needsSource === true,
    quiet: true,
  });
  const names = base.config.attributes.map(({ name }) => name);
  const topics = archivedTopics(names);
  return withConnections(base, (connections) => {
    const ask = async (sql: string) =>
      (await lakeQuery(connections.lake(), sql, base.config.attributes, lakeCopies(base))).rows;
    return work(
      {
        dead: async ({ topic, reason }, limit, place) => {
          const wanted = topics.filter((one) => topic === undefined || one.topic === topic);
          if (wanted.length === 0)
            throw new SayError(`${topic} is not archived: ${topics.map((one) => one.topic).join(', ')} are`);
          const where = [
            ...(reason === undefined ? [] : [`reason = ${text(reason)}`]),
            ...(place ? [`kafka_partition = ${place.partition}`, `kafka_offset = ${place.offset}`] : []),
          ];
          const selects = wanted.map(
            (one) =>
              `SELECT ${text(one.topic)} AS topic, kafka_partition, kafka_offset, reason, kafka_timestamp, headers, base64(record_key) AS k, base64(raw) AS raw FROM ${one.dead.name}${where.length > 0 ? ` WHERE ${where.join(' AND ')}` : ''}`,
          );
          const rows = await ask(
            `${selects.join(' UNION ALL ')} ORDER BY kafka_timestamp DESC, topic, kafka_partition, kafka_offset DESC LIMIT ${limit}`,
          );
          return rows.map((row) => ({
            topic: String(row.topic),
            partition: Number(row.kafka_partition),
            offset: Number(row.kafka_offset),
            reason: String(row.reason),
            at: String(row.kafka_timestamp),
            headers: row.headers === null ? null : String(row.headers),
            key: bytes(row.k),
            raw: bytes(row.raw),
          }));
        },
        marks: async (ids) => {
          if (ids.length === 0) return new Map();
          const wanted = ids.map(({ source, row }) => `(${text(source)}, ${row}::UBIGINT::HUGEINT)`).join(', ');
          const rows = await ask(
            `SELECT source || ':' || row_id AS id, max(mark) AS mark FROM vital_info WHERE (source, row_id::HUGEINT) IN (${wanted}) GROUP BY 1`,
          );
          return new Map(rows.map((row) => [String(row.id), row.mark === null ? null : String(row.mark)]));
        },
      },
      base,
      connections,
    );
  });
}

async function withReadings(lake: DeadLake, dead: readonly Dead[]): Promise<Listed[]> {
  const named = dead.map((one) => (one.topic === READINGS && one.raw ? readingNamedBy(one.raw) : undefined));
  const marks = await lake.marks(named.filter((one) => one !== undefined));
  return dead.map((one, n) => {
    const about = named[n];
    if (!about) return { ...one, reading: null, inLake: null };
    const reading = `${about.source}:${about.row}`;
    const mark = marks.get(reading);
    const inLake = mark === undefined ? 'no' : ((mark ?? 'yes') as Listed['inLake']);
    return { ...one, reading, inLake };
  });
}

function bytes(base64: unknown): Buffer | null {
  return typeof base64 === 'string' ? Buffer.from(base64, 'base64') : null;
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** As text where it is some; otherwise, and where it holds control characters, in base64. */
function readable(value: Buffer): string {
  const asText = value.toString('utf8');
  const plain = Buffer.from(asText).equals(value) && !/[\p{Cc}]/u.test(asText.replaceAll(/[\n\t]/g, ''));
  return plain ? asText : `base64:${value.toString('base64')}`;
}
