// The page that the link in an e-mail leads to: one alert and its story, to read. It has no button, and following it changes nothing.

import type { AlertDetails, Explanation } from '../domain/alert-desk.js';
import { escapeHtml } from '../domain/html.js';
import type { SayTime } from '../domain/story.js';

const STYLE =
  'body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}th{text-align:left;padding-right:2em;vertical-align:top}td{vertical-align:top}';

export function episodePage(
  { alert, event }: AlertDetails,
  { lines, outcomes }: Pick<Explanation, 'lines' | 'outcomes'>,
  time: SayTime,
): string {
  const facts: readonly (readonly [string, string | number | null])[] = [
    ['Reference', alert.ref],
    ['State', alert.acknowledged ? `${alert.status}, acknowledged by ${alert.acknowledged.by}` : alert.status],
    ['Severity', alert.severity],
    ['Attribute', `${alert.attribute} ${alert.direction}`],
    ['Since', time(alert.since)],
    ['Ward', alert.ward],
    ['Patient', alert.patientId],
    ...(event
      ? ([
          ['Name', event.patient.name],
          ['Age', event.patient.age],
          ['Address', event.patient.address],
          ['Phone', event.patient.phone],
          ['Value', event.value === null ? 'unreadable' : `${event.value} ${event.unit ?? ''}`],
          ['Normal', event.range && `${event.range.low} to ${event.range.high}`],
        ] as const)
      : []),
  ];
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="robots" content="noindex"><title>${escapeHtml(alert.ref)}</title><style>${STYLE}</style></head><body>
<h1>${escapeHtml(`${alert.attribute} ${alert.direction}, ${alert.ref}`)}</h1>
<table>${facts.map(([name, value]) => row(name, value === null ? 'unknown' : String(value))).join('')}</table>
<h2>In short</h2>
<ul>${outcomes.map(({ says }) => `<li>${escapeHtml(says)}</li>`).join('')}</ul>
<h2>What happened</h2>
<table>${lines.map(({ at, says }) => row(time(at), says)).join('')}</table>
<p>This page only shows. To acknowledge: <code>wardwatch alerts ack ${escapeHtml(alert.ref)}</code>.</p>
<p>Bedside monitors remain the primary alarm.</p></body></html>`;
}

function row(head: string, cell: string): string {
  return `<tr><th scope="row">${escapeHtml(head)}</th><td>${escapeHtml(cell)}</td></tr>`;
}
