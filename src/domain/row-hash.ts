// What a row says, as a hash: the same for a row read again, whenever and by whomever, and another one once the row was changed.
import { createHash } from 'node:crypto';

/**
 * Of a reading on vital-info, parsed. NULLs are left out: a column that was added since then says nothing about the row. With
 * `columns`, neither do unmapped ones that aren't among these: they were added with a default.
 */
export function rowHash(reading: Readonly<Record<string, unknown>>, columns?: ReadonlySet<string>): string {
  const other = Object.entries(objectOf(reading.other)).filter(([name]) => columns?.has(name) ?? true);
  const content = [
    reading.patientId,
    reading.timeSource === 'row' ? reading.recordedAt : null,
    // Values of attributes without a column stand among the others in the lake.
    sorted({ ...Object.fromEntries(other), ...objectOf(reading.values) }),
    sorted(objectOf(reading.bad)),
  ];
  return createHash('sha256').update(JSON.stringify(content)).digest('base64');
}

function objectOf(fields: unknown): object {
  return typeof fields === 'object' && fields !== null ? fields : {};
}

function sorted(fields: object): readonly (readonly [string, unknown])[] {
  return Object.entries(fields)
    .filter(([, value]) => value !== null)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Names of the unmapped columns that the row's table had when it was read. */
export function otherColumns(reading: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.keys(objectOf(reading.other)).sort();
}
