// CSV by RFC 4180, read strictly: a file that a person made for limits or patients is refused with its line, never guessed at.

/** What is wrong with a CSV file, and where. The message names lines and headers, never a value. */
export class CsvError extends Error {
  override readonly name = 'CsvError';
  /** 1 for the header line. */
  readonly line: number;
  constructor(line: number, problem: string) {
    super(`line ${line}: ${problem}`);
    this.line = line;
  }
}

/** One record by header name. An empty field without quotes is null, `""` is the empty text (as PostgreSQL's COPY has it). */
export interface CsvRecord {
  readonly line: number;
  readonly values: Readonly<Record<string, string | null>>;
}

interface RawRecord {
  readonly line: number;
  readonly fields: readonly (string | null)[];
}

/**
 * Parses UTF-8 CSV with a header line. Every header must be one of `required` or `optional`, each at most once.
 * @throws CsvError for anything that is not RFC 4180, a missing, unknown or repeated header, or a record of another length
 */
export function parseCsv(
  bytes: Uint8Array,
  headers: { readonly required: readonly string[]; readonly optional: readonly string[] },
): readonly CsvRecord[] {
  let text: string;
  try {
    // A byte order mark is dropped by the decoder.
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new CsvError(1, 'the file is not UTF-8');
  }
  const [head, ...body] = splitRecords(text);
  if (!head) throw new CsvError(1, 'the file is empty, a header line is needed');
  const names = head.fields.map((name) => name ?? '');
  const known = [...headers.required, ...headers.optional];
  for (const [i, name] of names.entries()) {
    // Not quoted: of a file without a header line it would be the first patient's name.
    if (!known.includes(name))
      throw new CsvError(
        1,
        `header ${i + 1} is unknown: the first line must name the columns, known are ${known.join(', ')}`,
      );
    if (names.indexOf(name) !== i) throw new CsvError(1, `header ${name} stands there twice`);
  }
  const missing = headers.required.filter((name) => !names.includes(name));
  if (missing.length > 0) throw new CsvError(1, `missing headers: ${missing.join(', ')}`);
  return body.map(({ line, fields }) => {
    if (fields.length !== names.length)
      throw new CsvError(line, `${fields.length} fields, but the header has ${names.length}`);
    return { line, values: Object.fromEntries(names.map((name, i) => [name, fields[i] ?? null])) };
  });
}

/** Writes records that `parseCsv` reads back unchanged. Lines end in CRLF. */
export function formatCsv(names: readonly string[], rows: readonly (readonly (string | null)[])[]): string {
  const line = (fields: readonly (string | null)[]) => `${fields.map(formatField).join(',')}\r\n`;
  return line(names) + rows.map(line).join('');
}

function formatField(field: string | null): string {
  if (field === null) return '';
  return field === '' || /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

function splitRecords(text: string): RawRecord[] {
  const records: RawRecord[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const start = line;
    const fields: (string | null)[] = [];
    for (;;) {
      const quoted = text[at] === '"';
      const end = quoted ? endOfQuoted(text, at, start) : endOfPlain(text, at, line);
      const raw = quoted ? text.slice(at + 1, end - 1).replaceAll('""', '"') : text.slice(at, end);
      fields.push(quoted || raw !== '' ? raw : null);
      if (quoted) line += countLines(raw);
      at = end;
      if (text[at] !== ',') break;
      at += 1;
    }
    if (text.startsWith('\r\n', at)) at += 2;
    else if (text[at] === '\n') at += 1;
    else if (at < text.length) throw new CsvError(line, 'text after a closing quote');
    line += 1;
    records.push({ line: start, fields });
  }
  return records;
}

/** Offset after the closing quote. */
function endOfQuoted(text: string, open: number, line: number): number {
  for (let at = open + 1; ; at += 2) {
    at = text.indexOf('"', at);
    if (at < 0) throw new CsvError(line, 'a quoted field that begins in this record has no closing quote');
    if (text[at + 1] !== '"') return at + 1;
  }
}

function endOfPlain(text: string, from: number, line: number): number {
  let at = from;
  for (; at < text.length; at += 1) {
    const char = text[at];
    if (char === ',' || char === '\n' || (char === '\r' && text[at + 1] === '\n')) break;
    if (char === '"') throw new CsvError(line, 'a quote inside a field that does not begin with one');
    if (char === '\r') throw new CsvError(line, 'a carriage return without a line feed, outside quotes');
  }
  return at;
}

function countLines(text: string): number {
  let lines = 0;
  for (const char of text) if (char === '\n') lines += 1;
  return lines;
}
