// The archive's drain into a folder and onto HDFS, in turn, in one run: what the other store costs.
import { drain } from './drain.mjs';

/**
 * `prepare(suffix, lake)` answers the environment of one run with its rows in place, on a lake of that kind (folder or hdfs).
 * Answers one {folder, hdfs, ratio} a repeat; rows a second.
 */
export async function measureLakes({ prepare, main, rows, repeats, phases }) {
  const runs = [];
  for (let repeat = 1; repeat <= repeats; repeat += 1) {
    const figures = {};
    for (const lake of ['folder', 'hdfs']) {
      const env = await prepare(`${lake}${repeat}`, lake);
      const measure = () => drain({ main, env, role: 'archive', metric: 'archive_rows_total', rows });
      const { rowsPerSecond } = await phases.run(`archive onto ${lake}, ${repeat} of ${repeats}`, measure);
      figures[lake] = rowsPerSecond;
    }
    runs.push({ ...figures, ratio: figures.hdfs / figures.folder });
  }
  return runs;
}
