// The audit's own reading of the limits, in SQL: normal, low, high or unclassified, for each sample.
import type { Attribute } from '../domain/attributes.js';
import { insert, text } from './audit-sql.js';
import type { LakeSql } from './query.js';

/** Limits beyond this are as good as none. */
const FARTHEST = '1e15';
/** What can't be judged may be the worst. */
const UNJUDGED_RANK = 3;
/** Enough for every decimal of a double that can decide a rounding. */
const EXACT = 'DECIMAL(38, 18)';

/**
 * Wants `sample` and `rule`. Makes `classed`: the same with `class`, the `rank` of an abnormal one (1 low, 2 medium, 3 high), and how
 * far inside the normal values it lies, from either side (`room_low`, `room_high`); and `ruled`: the rule of a sign under a policy,
 * with the margins in the same unit, the sign's last decimal.
 */
export async function createClasses(lake: LakeSql, attributes: readonly Attribute[]): Promise<void> {
  await lake.run('CREATE TABLE sign (name VARCHAR, decimals INTEGER, low DOUBLE, high DOUBLE)');
  await insert(
    lake,
    'sign',
    attributes.map(
      ({ name, decimals, plausible }) => `(${text(name)}, ${decimals}, ${plausible.low}, ${plausible.high})`,
    ),
  );
  await lake.run(BANDS);
  await lake.run(JUDGED);
  await lake.run(RULED);
  await lake.run(
    `CREATE VIEW classed AS SELECT s.*, CASE
       WHEN s.v IS NULL OR NOT coalesce(s.v BETWEEN n.low AND n.high, false) OR NOT s.known OR s.age IS NULL OR s.age < 0 THEN 'unclassified'
       ELSE coalesce(j.class, 'unclassified') END AS class,
       CASE WHEN class IN ('low', 'high') THEN j.rank ELSE ${UNJUDGED_RANK} END AS rank, j.room_low, j.room_high
     FROM sample s LEFT JOIN sign n ON n.name = s.sign
     LEFT JOIN judged j ON j.limits = s.limits AND j.sign = s.sign AND j.age = s.age AND j.v = s.v`,
  );
}

/** \`ruled\`: a whole number of steps is at least the margin where it is at least the margin rounded up. */
const RULED = `
  CREATE TABLE ruled AS
  SELECT r.policy, r.sign, any_value(r.rule) AS rule, list(CAST(ceil(${units('r.one')}) AS HUGEINT) ORDER BY r.rank) AS margins
  FROM (SELECT policy, sign, rule, unnest(margin) AS one, generate_subscripts(margin, 1) AS rank FROM rule) r LEFT JOIN sign n ON n.name = r.sign
  GROUP BY r.policy, r.sign`;

/** A number in units of the attribute's last decimal, from its shortest text: 36.05 is 360.5 where there is one decimal. */
function units(column: string): string {
  const bounded = `CAST(greatest(-${FARTHEST}, least(${FARTHEST}, ${column})) AS VARCHAR)`;
  return `(CAST(${bounded} AS ${EXACT}) * CAST(pow(10, decimals) AS BIGINT))`;
}

/** `band`: each usable row of the limits, with the first and the last value on the attribute's grid that it covers. */
const BANDS = `
  CREATE TABLE band AS
  SELECT *, row_number() OVER () AS id FROM (
    SELECT DISTINCT t.version AS limits, t.attribute AS sign, t.low_age, t.high_age, t.alert, t.message, t.severity, t.unit,
      CASE t.severity WHEN 'high' THEN 3 WHEN 'medium' THEN 2 ELSE 1 END AS rank,
      CAST(ceil(${units('t.low_value')}) AS HUGEINT) AS low, CAST(floor(${units('t.high_value')}) AS HUGEINT) AS high
    FROM threshold t JOIN sign n ON n.name = t.attribute
    WHERE NOT t.deleted AND isfinite(t.low_value) AND isfinite(t.high_value) AND isfinite(t.low_age) AND isfinite(t.high_age)
  ) WHERE low <= high AND low_age <= high_age`;

/**
 * \`judged\`: the class of each value that occurs, and how far inside the normal values it lies, under the limits and at the age with which it does. Where bands overlap an
 * alerting one goes first, then the more severe, the narrower, the lower. Its direction: below all normal values is low, above
 * them high; between them the middle of the band decides against the middle of the normal values (of this age, else of any age).
 */
const JUDGED = `
  CREATE TABLE judged AS
  WITH asked AS (
    SELECT DISTINCT s.limits, s.sign, s.age, s.v, CAST(round(${units('s.v')}, 0) AS HUGEINT) AS g
    FROM sample s JOIN sign n ON n.name = s.sign WHERE s.known AND s.age >= 0 AND s.v BETWEEN n.low AND n.high
  ), here AS (
    SELECT a.limits, a.sign, a.age, a.v, a.g, b.id, b.low, b.high, b.alert, b.rank, b.message, a.g BETWEEN b.low AND b.high AS covers
    FROM asked a JOIN band b ON b.limits = a.limits AND b.sign = a.sign AND a.age BETWEEN b.low_age AND b.high_age
  ), at_age AS (
    SELECT limits, sign, age, v, any_value(g) AS g, count(*) AS bands,
      first(struct_pack(low := low, high := high, alert := alert, rank := rank) ORDER BY alert DESC, CASE WHEN alert THEN rank ELSE 0 END DESC, high - low, low, message)
        FILTER (covers) AS winner,
      min(low) FILTER (NOT alert) AS normal_low, max(high) FILTER (NOT alert) AS normal_high,
      greatest(max(low) FILTER (low <= g), max(high + 1) FILTER (high < g)) AS from_g,
      least(min(low - 1) FILTER (low > g), min(high) FILTER (high >= g)) AS to_g
    FROM here GROUP BY limits, sign, age, v
  ), at_any AS (
    SELECT limits, sign, min(low) AS low, max(high) AS high FROM band WHERE NOT alert GROUP BY limits, sign
  ), below AS (
    SELECT w.limits, w.sign, w.age, w.v, count(*) AS n FROM at_age w JOIN here h USING (limits, sign, age, v) WHERE h.low < w.winner.low GROUP BY ALL
  )
  SELECT w.limits, w.sign, w.age, w.v, w.winner.rank AS rank, w.g - w.normal_low AS room_low, w.normal_high - w.g AS room_high, CASE
      WHEN w.winner IS NULL THEN 'unclassified'
      WHEN NOT w.winner.alert THEN 'normal'
      WHEN w.normal_low IS NOT NULL AND w.g < w.normal_low THEN 'low'
      WHEN w.normal_low IS NOT NULL AND w.g > w.normal_high THEN 'high'
      WHEN w.normal_low IS NOT NULL AND w.winner.low + w.winner.high < w.normal_low + w.normal_high THEN 'low'
      WHEN w.normal_low IS NOT NULL THEN 'high'
      WHEN a.low IS NOT NULL AND coalesce(w.to_g < a.low, false) THEN 'low'
      WHEN a.low IS NOT NULL AND coalesce(w.from_g > a.high, false) THEN 'high'
      WHEN a.low IS NOT NULL AND w.winner.low + w.winner.high < a.low + a.high THEN 'low'
      WHEN a.low IS NOT NULL THEN 'high'
      WHEN 2 * coalesce(b.n, 0) < w.bands - 1 THEN 'low'
      ELSE 'high'
    END AS class
  FROM at_age w LEFT JOIN at_any a USING (limits, sign) LEFT JOIN below b USING (limits, sign, age, v)`;
