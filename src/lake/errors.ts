// What can go wrong with the lake, as classes that callers tell apart. Messages name files, partitions and columns, never a value.

/** A published or staged file that the commit log names is gone. */
export class LakeFileMissingError extends Error {
  override readonly name = 'LakeFileMissingError';
}

/** A file that the commit log names is there with other bytes: a person must look. The message names it. */
export class LakeFileDamagedError extends Error {
  override readonly name = 'LakeFileDamagedError';
}

/** A path that would leave the lake's folder, or that some store can't hold. */
export class LakePathError extends Error {
  override readonly name = 'LakePathError';
}

/** The chain of commit records can't be trusted or belongs to another topic or cluster: a person must look. The message names the record. */
export class LakeChainError extends Error {
  override readonly name = 'LakeChainError';
}

/** Another writer made the commit record of this key first: let go and read the chain anew. */
export class LakeRaceLostError extends Error {
  override readonly name = 'LakeRaceLostError';
}

/** A row that its table's columns refuse. */
export class TableRowError extends Error {
  override readonly name = 'TableRowError';
  readonly column: string;

  constructor(table: string, column: string, why: string) {
    super(`${table}.${column}: ${why}`);
    this.column = column;
  }
}

/** A Parquet file that doesn't read back as it was written. */
export class ParquetVerifyError extends Error {
  override readonly name = 'ParquetVerifyError';
}

/** SQL over the lake can't run here. */
export class LakeQueryError extends Error {
  override readonly name = 'LakeQueryError';
}

/**
 * HDFS refused, or did not answer. `code` is the system code that the same trouble would have on a disk; `exception` is
 * HDFS's own class, undefined where no answer came: the outcome is then unknown.
 */
export class HdfsError extends Error {
  override readonly name = 'HdfsError';
  readonly code: string;
  readonly exception: string | undefined;

  constructor(message: string, code: string, options: { readonly exception?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.exception = options.exception;
  }
}
