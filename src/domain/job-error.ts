// Why a job failed: closed codes. BullMQ keeps a failed job's message and shows it on its board, so nothing else may be in it.

export const JOB_ERROR_CODES = [
  'invalid-job-data',
  'source-unavailable',
  'source-refused',
  'kafka-unavailable',
  'redis-unavailable',
  'lake-unavailable',
  'import-refused',
  'delivery-retry',
  'delivery-held',
  'delivery-dead',
  'unexpected',
] as const;

export type JobErrorCode = (typeof JOB_ERROR_CODES)[number];

/** The only error that leaves a job handler towards BullMQ. The cause is logged, not stored. */
export class JobError extends Error {
  override readonly name = 'JobError';
  readonly code: JobErrorCode;

  constructor(code: JobErrorCode, cause?: unknown) {
    super(code, cause === undefined ? undefined : { cause });
    this.code = code;
    // Without frames: BullMQ stores the stack beside the message.
    this.stack = `JobError: ${code}`;
  }
}
