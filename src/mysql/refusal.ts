// Why a source is refused: closed codes, and words for the person who has to mend it.

export type RefusalCode =
  | 'no-login'
  | 'no-table'
  | 'no-column'
  | 'no-key'
  | 'no-select'
  | 'no-process'
  | 'no-lock'
  | 'engine'
  | 'replica'
  | 'step'
  | 'start'
  | 'other-server'
  | 'went-back'
  | 'rows-differ';

/** Reading on would lose or repeat rows, or can't be done. The message says what is wrong and what to do; no data, no account. */
export class SourceRefused extends Error {
  override readonly name = 'SourceRefused';
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** An identifier for SQL, also with backticks and dots in it. */
export function quoted(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** `table` or `schema.table`. */
export function quotedTable(name: string): string {
  return name.split('.').map(quoted).join('.');
}
