// The demo's oracle: which alerts should there be? A plain pass over the lake's rows, written without looking at the watcher's code.

const RANKS = { low: 1, medium: 2, high: 3 };
const SEVERITIES = ['', 'low', 'medium', 'high'];

/**
 * `rows` in Kafka's order: {id, patient, recordedMs, values: {attribute: number|null}}. `timingOf(attribute, severity)` answers {sustainMs, minSamples,
 * clearMargin, clearAfterMs, clearSamples}. Answers the expected raised, worsened and resolved events as text `kind patient attribute
 * direction row`. It knows what the demo makes: known patients, one normal band per age, no bad values, no clocks in the future, nothing marked.
 */
export function recomputeAlerts({ rows, ageOf, thresholds, decimalsOf, timingOf }) {
  const expected = new Set();
  /** `patient attribute direction` → an episode, pending or open. */
  const episodes = new Map();
  for (const row of rows)
    for (const [attribute, value] of Object.entries(row.values)) {
      if (value === null || value === undefined) continue;
      const judged = judge(attribute, ageOf(row.patient), value);
      for (const direction of ['low', 'high']) {
        const key = `${row.patient} ${attribute} ${direction}`;
        const kind =
          judged.side === direction
            ? abnormal(key, attribute, judged.rank, row.recordedMs)
            : calm(key, attribute, direction, judged, row.recordedMs);
        if (kind) expected.add(`${kind} ${key} ${row.id}`);
      }
    }
  const openEpisodes = [...episodes.values()].filter(({ open }) => open).length;
  return { expected, openEpisodes };

  /** Raised as soon as it is long and frequent enough for its worst so far; once open, worse is told at once. */
  function abnormal(key, attribute, rank, timeMs) {
    const found = episodes.get(key);
    const episode = found ?? { open: false, sinceMs: timeMs, newestMs: timeMs, samples: 0, worst: rank };
    episodes.set(key, episode);
    const worse = rank > episode.worst;
    episode.newestMs = Math.max(episode.newestMs, timeMs);
    episode.samples += 1;
    episode.worst = Math.max(episode.worst, rank);
    Object.assign(episode, { calmSinceMs: null, calmSamples: 0 });
    if (episode.open) return worse ? 'worsened' : undefined;
    const { sustainMs, minSamples } = timingOf(attribute, SEVERITIES[episode.worst]);
    episode.open = episode.newestMs - episode.sinceMs >= sustainMs && episode.samples >= minSamples;
    return episode.open ? 'raised' : undefined;
  }

  /** Whatever is not abnormal ends one that nobody has heard of; an open one wants it clear of the limit, long and often enough. */
  function calm(key, attribute, direction, { side, room }, timeMs) {
    const episode = episodes.get(key);
    if (!episode?.open) {
      episodes.delete(key);
      return undefined;
    }
    const { clearMargin, clearAfterMs, clearSamples } = timingOf(attribute, SEVERITIES[episode.worst]);
    if (side === 'normal' && room[direction] < clearMargin) return undefined;
    episode.newestMs = Math.max(episode.newestMs, timeMs);
    episode.calmSinceMs ??= episode.newestMs;
    episode.calmSamples += 1;
    if (episode.newestMs - episode.calmSinceMs < clearAfterMs || episode.calmSamples < clearSamples) return undefined;
    episodes.delete(key);
    return 'resolved';
  }

  /** `room`: how far from the lowest and the highest normal value. */
  function judge(attribute, age, value) {
    const decimals = decimalsOf(attribute);
    const rounded = Number(value.toFixed(decimals));
    const rows = thresholds.filter((r) => r.attribute === attribute && r.lowAge <= age && age <= r.highAge);
    const hit = rows.find((r) => r.lowValue <= rounded && rounded <= r.highValue);
    const normal = rows.find((r) => !r.alert);
    // Of a patient whom it does not know the oracle expects nothing.
    if (!normal) return { side: 'normal', room: { low: Number.POSITIVE_INFINITY, high: Number.POSITIVE_INFINITY } };
    const apart = (a, b) => Number((a - b).toFixed(decimals));
    const room = { low: apart(rounded, normal.lowValue), high: apart(normal.highValue, rounded) };
    if (!hit?.alert) return { side: 'normal', room };
    return { side: rounded < normal.lowValue ? 'low' : 'high', rank: RANKS[hit.severity], room };
  }
}
