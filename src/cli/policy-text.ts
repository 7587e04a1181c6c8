// A policy as tables for a terminal: timings by attribute and severity, routes, and the rest.
import { words } from '../config/parsers.js';
import { ABSENCE } from '../domain/absence.js';
import { type BySeverity, type ConditionTiming, type Policy, type RouteMatch, timingOf } from '../domain/policy.js';
import { SEVERITIES } from '../domain/policy-check.js';
import { topicOf } from '../domain/story.js';
import { renderColumns } from './text-table.js';

const TIMINGS = [
  'attribute',
  'severity',
  'sustain',
  'samples',
  'clear margin',
  'clear after',
  'samples',
  'stale after',
];
const ROUTES = ['route', 'wards', 'severities', 'attributes', 'topic', 'reminder', 'escalation'];
const ANY = '*';

/** `configured`: the attributes that are read; every one has its rows, whether or not the policy names it. */
export function policyText(policy: Policy, configured: readonly string[]): string {
  const names = [...new Set([...configured, ...Object.keys(policy.conditions.attributes)])].filter(
    (name) => name !== ABSENCE,
  );
  const timings = names.flatMap((name) =>
    SEVERITIES.map((severity) => [name, severity, ...timingCells(timingOf(policy.conditions, name, severity))]),
  );
  const silence = [
    ABSENCE,
    'medium',
    '',
    '',
    '',
    '',
    '',
    words(timingOf(policy.conditions, ABSENCE, 'medium').staleAfterMs),
  ];
  const expecting = policy.expectDataWards.length > 0;
  const routes = policy.routes.map(({ name, match, topic, reminder, escalation }) => [
    name,
    ...matchCells(match),
    topicName(topic),
    reminder ? `every ${words(reminder.everyMs)}, ${reminder.most} times` : '-',
    escalation.map((level) => `${words(level.afterMs)} ${topicName(level.topic)}`).join(', ') || '-',
  ]);
  const { limits, flapping } = policy;
  return [
    renderColumns(TIMINGS, expecting ? [...timings, silence] : timings),
    '',
    renderColumns(ROUTES, routes),
    '',
    `wards that must send data: ${policy.expectDataWards.join(', ') || 'none'}`,
    `history beyond ${words(policy.alertMaxAgeMs)}; unstable from ${flapping.episodes} alerts in ${words(flapping.withinMs)}`,
    `an acknowledgement holds at most: ${bySeverity(policy.acknowledgeExpiryMs)}`,
    `a silence holds at most: ${bySeverity(policy.silenceMostMs)}`,
    `a topic: ${limits.perSecond} messages a second, ${limits.burst} at once; above ${limits.digestAbove} new alerts a minute digests every ${words(limits.digestEveryMs)}`,
    `fallback topic: ${policy.fallbackTopic === null ? 'none' : topicName(policy.fallbackTopic)}`,
  ].join('\n');
}

function timingCells(row: ConditionTiming): string[] {
  return [
    row.sustainMs === 0 ? 'at once' : words(row.sustainMs),
    String(row.minSamples),
    String(row.clearMargin),
    words(row.clearAfterMs),
    String(row.clearSamples),
    words(row.staleAfterMs),
  ];
}

function matchCells({ wards, severities, attributes }: RouteMatch): string[] {
  return [wards, severities, attributes].map((list) => list?.join(', ') ?? ANY);
}

function bySeverity(times: BySeverity<number>): string {
  return SEVERITIES.map((severity) => `${severity} ${words(times[severity])}`).join(', ');
}

function topicName(arn: string): string {
  return arn === '' ? '(none)' : topicOf(arn);
}
