// What imports ask of the lake: the history of a reference table, and the last value of Sqoop, in one commit record each.
import type { ImportTable } from './import-settings.js';
import type { Entry, VersionInfo } from './import-version.js';
import type { OnStep } from './ports.js';
import type { Micros } from './time.js';

/** The newest commit record of a reference table. */
export interface ImportedVersion extends VersionInfo {
  /** Grows with each record; the rows of a version carry it, so the newest snapshot is the one with the greatest. */
  readonly importedAt: Micros;
  /** `rds:<table>` or `file:<name>`. */
  readonly source: string;
  /** Where an import in mode append or lastmodified goes on; null in full mode. */
  readonly position: string | null;
}

export interface ReferenceLake {
  /** The newest version, without touching anything. */
  peek(table: ImportTable): Promise<ImportedVersion | undefined>;
  /** Undefined before the first import. Rolls forward what a dead import had recorded and not yet published. */
  newest(table: ImportTable): Promise<ImportedVersion | undefined>;
  /** The entries of the newest version. @throws Error when the files don't hold what their record says */
  read(table: ImportTable): Promise<readonly Entry[]>;
  /**
   * Stages, records and publishes a version: all its entries, and those that the version `before` had and this one lacks,
   * marked as deleted. Calls the steps `import.staged`, `import.before-record` and `import.after-record`.
   * @throws LakeRaceLostError when `before` is the newest no more, since another import was faster: look at `newest` again
   */
  commit(
    table: ImportTable,
    before: ImportedVersion | undefined,
    version: ImportedVersion,
    entries: readonly Entry[],
    deleted: readonly Entry[],
    onStep: OnStep,
  ): Promise<void>;
}

/** The instant of a new version: that of its tick, but always after the version before, whatever the clocks say. */
export function importedAtAfter(before: ImportedVersion | undefined, nowUs: Micros): Micros {
  return before && before.importedAt >= nowUs ? before.importedAt + 1 : nowUs;
}
