// The audit's condition table (alerts.md), in SQL: which samples raise, worsen and end episodes. A fold over runs of like samples.
import type { LakeSql } from './query.js';

/** Runs that are folded in one statement: each of its rounds looks at all of them. */
const PLACES_TOGETHER = 64;
/** A calm value that counts for every severity. */
const ALWAYS_CALM = 7;

/** Wants `classed` and `rule`. Makes `expected`. */
export async function createExpected(lake: LakeSql): Promise<void> {
  await lake.run(RUNS);
  const { rows } = await lake.query('SELECT coalesce(max(place), 0) AS last FROM run');
  const last = Number(rows[0]?.last ?? 0);
  for (let from = 0; from < last; from += PLACES_TOGETHER) await lake.run(fold(from, from + PLACES_TOGETHER));
  await lake.run(EXPECTED);
}

/**
 * \`effect\`: what a sample is to a key (partition, patient, sign, direction): abnormal in its direction with a rank, or normal, and
 * then for an open episode of which severities (a bit each, the lowest first): too near to the limit that was crossed is not
 * calm, beyond the other limit is. What can't be judged is nothing to low and high. \`run\`: neighbours that are all alike, with how
 * many they are and when; nothing before a key's first abnormal one matters. \`phase\` 0 is none, 1 pending, 2 open.
 */
const RUNS = `
  CREATE TABLE key AS SELECT row_number() OVER () AS k, * FROM (SELECT DISTINCT p, patient, sign, class AS direction FROM classed WHERE class <> 'normal');

  CREATE TABLE step AS
  WITH seen AS (
    SELECT k.k, s.o, s.at_us, s.reading, s.class = k.direction AS abnormal, s.rank, s.marked, s.class, r.rule, r.margins,
      CASE k.direction WHEN 'low' THEN s.room_low WHEN 'high' THEN s.room_high END AS room
    FROM key k JOIN classed s USING (p, patient, sign) JOIN ruled r ON r.policy = s.policy AND r.sign = s.sign
    WHERE s.class = k.direction OR s.class <> 'unclassified'
  ), effect AS (
    SELECT k, o, at_us, reading, abnormal, rule, CASE WHEN abnormal THEN rank END AS rank, abnormal AND marked AS marked,
      CASE WHEN abnormal THEN 0 WHEN class <> 'normal' OR room IS NULL THEN ${ALWAYS_CALM}
        ELSE CAST(room >= margins[1] AS INTEGER) + 2 * CAST(room >= margins[2] AS INTEGER) + 4 * CAST(room >= margins[3] AS INTEGER) END AS calm
    FROM seen
  ), begun AS (
    SELECT *, coalesce((rule, abnormal, rank, marked, calm) IS DISTINCT FROM lag((rule, abnormal, rank, marked, calm)) OVER by_key, true) AS begins,
      bool_or(abnormal) OVER by_key AS matters
    FROM effect WINDOW by_key AS (PARTITION BY k ORDER BY o)
  ), numbered AS (
    SELECT *, count_if(begins) OVER (PARTITION BY k ORDER BY o) AS place FROM begun WHERE matters
  )
  SELECT *, row_number() OVER so_far AS nth, max(at_us) OVER so_far AS latest_us
  FROM numbered WINDOW so_far AS (PARTITION BY k, place ORDER BY o);

  CREATE TABLE run AS
  SELECT k, place, any_value(abnormal) AS abnormal, any_value(rank) AS rank, any_value(marked) AS marked, any_value(calm) AS calm, any_value(rule) AS rule,
    max(nth) AS n, min(at_us) FILTER (nth = 1) AS first_us, max(at_us) AS last_us
  FROM step GROUP BY k, place ORDER BY place;

  CREATE TABLE state AS
  SELECT k, 0 AS phase, 0 AS worst, 0::BIGINT AS since_us, 0::BIGINT AS samples, 0::BIGINT AS reached_us, NULL::BIGINT AS calm_us, 0::BIGINT AS calm_samples, false AS history
  FROM key;

  CREATE TABLE outcome (k BIGINT, place BIGINT, kind VARCHAR, nth BIGINT, us BIGINT, before_us BIGINT);`;

/** What is carried from one run to the next. \`us\`, \`nth\`: the event is that of the first sample of the run that has both, with time never running backwards from \`before_us\`. */
const CARRIED = 'phase, worst, since_us, samples, reached_us, calm_us, calm_samples, history';

/**
 * Runs with \`from\` < place <= \`to\`. Abnormal ones begin a pending episode (or go on with it), which is raised as soon as it is long and
 * frequent enough for its worst so far, and make an open one worse where they are more severe, or live where it was history. Normal
 * ones end a pending one at once, and an open one when they are calm for long and often enough; a value that is not calm
 * changes nothing, and the calm before it still counts.
 */
function fold(from: number, to: number): string {
  return `
    CREATE OR REPLACE TABLE here AS
    SELECT n.*, r.sustain_us, r.least_samples, r.clear_us, r.clear_samples AS clear_least
    FROM run n JOIN (SELECT DISTINCT ON (rule) * FROM rule) r USING (rule) WHERE n.place > ${from} AND n.place <= ${to};

    CREATE OR REPLACE TABLE folded AS
    WITH RECURSIVE fold AS (
      SELECT k, ${from}::BIGINT AS place, ${CARRIED}, NULL::VARCHAR AS kind, NULL::BIGINT AS nth, NULL::BIGINT AS us, NULL::BIGINT AS before_us
      FROM state WHERE k IN (SELECT k FROM here)
      UNION ALL
      SELECT k, place,
        CASE WHEN abnormal THEN CASE WHEN phase = 2 OR raises THEN 2 ELSE 1 END WHEN phase = 1 OR ends THEN 0 ELSE phase END AS phase,
        worst_now AS worst, since_now AS since_us, CASE WHEN abnormal THEN samples_before + n ELSE samples END AS samples, reached_now AS reached_us,
        CASE WHEN abnormal THEN NULL ELSE calm_now END AS calm_us, CASE WHEN abnormal THEN 0 WHEN calms THEN calm_samples + n ELSE calm_samples END AS calm_samples,
        CASE WHEN NOT abnormal THEN history WHEN phase = 2 THEN history AND marked ELSE marked END AS history,
        CASE WHEN raises THEN 'raised' WHEN worsens THEN 'worsened' WHEN ends THEN 'resolved' END AS kind,
        CASE WHEN raises THEN least_samples[worst_now] - samples_before WHEN worsens THEN 1 ELSE clear_least[worst_now] - calm_samples END AS nth,
        CASE WHEN raises THEN since_now + sustain_us[worst_now] WHEN ends THEN calm_now + clear_us[worst_now] END AS us, before_us
      FROM (
        SELECT *,
          abnormal AND phase < 2 AND samples_before + n >= least_samples[worst_now] AND reached_now - since_now >= sustain_us[worst_now] AS raises,
          abnormal AND phase = 2 AND (rank > worst OR (history AND NOT marked)) AS worsens,
          calms AND calm_samples + n >= clear_least[worst_now] AND reached_now - calm_now >= clear_us[worst_now] AS ends
        FROM (
          SELECT *, CASE WHEN abnormal OR calms THEN greatest(before_us, last_us) ELSE reached_us END AS reached_now,
            CASE WHEN calms THEN coalesce(calm_us, greatest(before_us, first_us)) ELSE calm_us END AS calm_now
          FROM (
            SELECT t.k, h.place, ${CARRIED}, h.abnormal, h.rank, h.marked, h.n, h.first_us, h.last_us, h.sustain_us, h.least_samples, h.clear_us, h.clear_least,
              CASE WHEN phase = 0 THEN NULL ELSE reached_us END AS before_us,
              CASE WHEN NOT h.abnormal THEN worst WHEN phase = 0 THEN h.rank ELSE greatest(worst, h.rank) END AS worst_now,
              CASE WHEN h.abnormal AND phase = 0 THEN h.first_us ELSE since_us END AS since_now,
              CASE WHEN phase = 0 THEN 0 ELSE samples END AS samples_before,
              phase = 2 AND NOT h.abnormal AND (h.calm >> (greatest(worst, 1) - 1)) & 1 = 1 AS calms
            FROM fold t JOIN here h ON h.k = t.k AND h.place = t.place + 1
          )
        )
      )
    )
    SELECT * FROM fold;

    INSERT INTO outcome SELECT k, place, kind, nth, us, before_us FROM folded WHERE kind IS NOT NULL;
    CREATE OR REPLACE TABLE state AS SELECT k, ${CARRIED} FROM folded WHERE place = ${to};`;
}

const EXPECTED = `
  CREATE TABLE expected AS
  SELECT y.p, y.patient, y.sign, y.direction, w.kind, arg_min(s.reading, s.o) AS reading
  FROM outcome w JOIN step s USING (k, place) JOIN key y USING (k)
  WHERE s.nth >= w.nth AND coalesce(greatest(w.before_us, s.latest_us) >= w.us, true)
  GROUP BY k, place, y.p, y.patient, y.sign, y.direction, w.kind ORDER BY ALL`;
