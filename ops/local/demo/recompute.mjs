// The demo's oracle: which alerts should there be? A plain pass over the lake's rows, written without looking at the watcher's code.

/**
 * `rows` in Kafka's order: {id, patient, recordedMs, values: {attribute: number|null}}. Answers the expected raised and
 * resolved events as text `kind patient attribute direction row`. It knows what the demo makes: known patients,
 * one normal band per age, no bad values, no clocks in the future.
 */
export function recomputeAlerts({ rows, ageOf, thresholds, decimalsOf, clearAfterMs, clearSamples }) {
  const expected = new Set();
  /** `patient attribute direction` → {calmSinceMs, calmSamples}; present = episode open. */
  const open = new Map();
  /** Largest event time so far of each patient and attribute, ms. */
  const newest = new Map();
  for (const row of rows) {
    for (const [attribute, value] of Object.entries(row.values)) {
      if (value === null || value === undefined) continue;
      const side = sideOf(attribute, ageOf(row.patient), value);
      const clock = `${row.patient} ${attribute}`;
      const timeMs = Math.max(newest.get(clock) ?? 0, row.recordedMs);
      newest.set(clock, timeMs);
      for (const direction of ['low', 'high']) {
        const key = `${row.patient} ${attribute} ${direction}`;
        const episode = open.get(key);
        if (side === direction) {
          if (episode) Object.assign(episode, { calmSinceMs: null, calmSamples: 0 });
          else {
            open.set(key, { calmSinceMs: null, calmSamples: 0 });
            expected.add(`raised ${key} ${row.id}`);
          }
        } else if (episode) {
          episode.calmSinceMs ??= timeMs;
          episode.calmSamples += 1;
          if (timeMs - episode.calmSinceMs >= clearAfterMs && episode.calmSamples >= clearSamples) {
            open.delete(key);
            expected.add(`resolved ${key} ${row.id}`);
          }
        }
      }
    }
  }
  return { expected, openEpisodes: open.size };

  function sideOf(attribute, age, value) {
    const rounded = Number(value.toFixed(decimalsOf(attribute)));
    const rows = thresholds.filter((r) => r.attribute === attribute && r.lowAge <= age && age <= r.highAge);
    const hit = rows.find((r) => r.lowValue <= rounded && rounded <= r.highValue);
    const normal = rows.find((r) => !r.alert);
    if (!hit?.alert) return 'normal';
    return rounded < normal.lowValue ? 'low' : 'high';
  }
}
