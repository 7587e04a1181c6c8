// The backtest's report as one HTML file: tables and bars, no script, nothing from elsewhere.

import type { BacktestEpisode, Burden, BurdenRow, Comparison, Moved } from './backtest.js';
import { escapeHtml } from './html.js';
import { formatMicros } from './time.js';

export interface BacktestReport {
  /** `2026-11-01 to 2026-11-08 (UTC)`. */
  readonly period: string;
  readonly readings: number;
  readonly patientDays: number;
  /** What the two sides are called: files, or "in force". */
  readonly names: { readonly inForce: string; readonly other: string };
  readonly inForce: Burden;
  readonly other: Burden;
  readonly comparison: Comparison;
}

/** Episodes listed of each kind; the counts are always whole. */
const LISTED = 500;
const BAR_WIDTH = 240;
const BAR_HEIGHT = 10;
const US_PER_S = 1_000_000;
const SECONDS_PER_MINUTE = 60;

const STYLE = `
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
  body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
  table { border-collapse: collapse; margin: .5rem 0 2rem }
  th, td { text-align: left; padding: .15rem .8rem .15rem 0; border-bottom: 1px solid #8884 }
  td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
  svg { vertical-align: middle }
  .now { fill: #6b7a8f } .new { fill: #c2571a }
  small { color: #777 }`;

export function backtestPage(report: BacktestReport): string {
  const { names, inForce, other, comparison } = report;
  const title = 'wardwatch backtest';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>${STYLE}
</style></head><body>
<h1>${title}</h1>
<p>${escapeHtml(report.period)}: ${number(report.readings)} readings of ${number(report.patientDays)} patient-days, replayed through the evaluator that watches the ward.
Nothing was sent. This page names patients by their id: treat it as patient data.</p>
<p><svg width="12" height="12"><rect class="now" width="12" height="12"/></svg> ${escapeHtml(names.inForce)}
&nbsp; <svg width="12" height="12"><rect class="new" width="12" height="12"/></svg> ${escapeHtml(names.other)}</p>
<h2>Alarms</h2>
<table><tr><th></th><th class="n">${escapeHtml(names.inForce)}</th><th class="n">${escapeHtml(names.other)}</th></tr>
${totals('alarms', number(inForce.alarms), number(other.alarms))}
${totals('alarms a patient-day', rate(inForce.perPatientDay), rate(other.perPatientDay))}
</table>
<h2>What would change</h2>
<table>
${totals('the same alarm at the same time', number(comparison.same))}
${totals('raised earlier', number(comparison.earlier.length))}
${totals('raised later', number(comparison.later.length))}
${totals('new', number(comparison.added.length))}
${totals('gone', number(comparison.gone.length))}
</table>
${section('By ward', inForce.byWard, other.byWard)}
${section('By vital sign', inForce.byAttribute, other.byAttribute)}
${section('By severity', inForce.bySeverity, other.bySeverity)}
${section('By day', inForce.byDay, other.byDay)}
${section('By length of the episode', inForce.byLength, other.byLength)}
${list('Gone: raised by the rules in force only', comparison.gone)}
${list('New: raised by the other rules only', comparison.added)}
${moved('Later', comparison.later)}
${moved('Earlier', comparison.earlier)}
<p><small>Not replayed: silence of a sensor (stale), acknowledgements and silences. An episode that was open when the period began is raised by its first abnormal reading in it.
Patients and wards as the lake's newest import has them.</small></p>
</body></html>
`;
}

function totals(name: string, ...cells: readonly string[]): string {
  return `<tr><td>${name}</td>${cells.map((cell) => `<td class="n">${cell}</td>`).join('')}</tr>`;
}

/** A row for each name that either side has. */
function section(title: string, inForce: readonly BurdenRow[], other: readonly BurdenRow[]): string {
  const names = [...new Set([...inForce, ...other].map(({ name }) => name))];
  const of = (rows: readonly BurdenRow[], name: string) => rows.find((row) => row.name === name);
  const most = Math.max(1, ...[...inForce, ...other].map(({ alarms }) => alarms));
  const rows = names.map((name) => {
    const now = of(inForce, name);
    const then = of(other, name);
    const cells = [now, then].map(
      (row) => `<td class="n">${number(row?.alarms ?? 0)}</td><td class="n">${per(row)}</td>`,
    );
    return `<tr><td>${escapeHtml(name)}</td>${cells.join('')}<td>${bars(now?.alarms ?? 0, then?.alarms ?? 0, most)}</td></tr>`;
  });
  return `<h2>${title}</h2><table><tr><th></th><th class="n">now</th><th class="n">a patient-day</th><th class="n">then</th><th class="n">a patient-day</th><th></th></tr>
${rows.join('\n')}</table>`;
}

function per(row: BurdenRow | undefined): string {
  return row === undefined || row.perPatientDay === null ? '' : rate(row.perPatientDay);
}

function bars(now: number, then: number, most: number): string {
  const bar = (alarms: number, y: number, side: 'now' | 'new') =>
    `<rect class="${side}" y="${y}" width="${Math.round((alarms / most) * BAR_WIDTH)}" height="${BAR_HEIGHT}"/>`;
  return `<svg width="${BAR_WIDTH}" height="${2 * BAR_HEIGHT}" role="img" aria-label="${now} now, ${then} then">${bar(now, 0, 'now')}${bar(then, BAR_HEIGHT, 'new')}</svg>`;
}

function list(title: string, episodes: readonly BacktestEpisode[]): string {
  const rows = episodes.slice(0, LISTED).map((episode) => `<tr>${cells(episode)}</tr>`);
  return table(title, episodes.length, '', rows);
}

function moved(title: string, all: readonly Moved[]): string {
  const sorted = [...all].sort((one, other) => other.byUs - one.byUs).slice(0, LISTED);
  const rows = sorted.map(({ other, byUs }) => `<tr>${cells(other)}<td class="n">${seconds(byUs)}</td></tr>`);
  return table(title, all.length, '<th class="n">by</th>', rows);
}

function table(title: string, count: number, more: string, rows: readonly string[]): string {
  if (count === 0) return '';
  const first = count > LISTED ? ` <small>(the first ${LISTED})</small>` : '';
  return `<h2>${title}: ${number(count)}${first}</h2>
<table><tr><th>Patient</th><th>Ward</th><th>Vital sign</th><th>Severity</th><th>Raised (UTC)</th><th class="n">Length</th>${more}</tr>
${rows.join('\n')}</table>`;
}

function cells({ patientId, ward, attribute, direction, severity, raisedUs, resolvedUs }: BacktestEpisode): string {
  const at = formatMicros(raisedUs).slice(0, 'YYYY-MM-DDThh:mm:ss'.length).replace('T', ' ');
  const length = resolvedUs === null ? 'open' : seconds(resolvedUs - raisedUs);
  return `<td>${escapeHtml(patientId)}</td><td>${escapeHtml(ward)}</td><td>${escapeHtml(attribute)}, ${direction}</td><td>${severity}</td><td>${at}</td><td class="n">${length}</td>`;
}

function seconds(us: number): string {
  const s = Math.round(us / US_PER_S);
  return s < SECONDS_PER_MINUTE ? `${s} s` : `${Math.floor(s / SECONDS_PER_MINUTE)} min ${s % SECONDS_PER_MINUTE} s`;
}

function number(n: number): string {
  return n.toLocaleString('en-US');
}

function rate(n: number): string {
  return n.toFixed(2);
}
