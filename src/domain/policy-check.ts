// What a policy says that is allowed but hardly meant: worse alerts that wait longer, routes that nothing reaches, names that do not exist. Pure.
import { ABSENCE } from './absence.js';
import type { Severity } from './events.js';
import { type ConditionTiming, type Policy, type Route, type RouteMatch, timingOf } from './policy.js';
import { routeOf } from './routes.js';

/** From the worst down. */
export const SEVERITIES: readonly Severity[] = ['high', 'medium', 'low'];

/** What of a row decides when an episode begins. */
const WAITING = {
  sustainMs: 'sustain',
  minSamples: 'minSamples',
} as const satisfies Partial<Record<keyof ConditionTiming, string>>;

/** `attributes`: those that are read. */
export function policyWarnings(policy: Policy, attributes: readonly string[]): string[] {
  const known = new Set([...attributes, ABSENCE]);
  return [
    ...Object.keys(policy.conditions.attributes)
      .filter((name) => !known.has(name))
      .map((name) => `attributes.${name}: no such attribute is read`),
    ...policy.routes.flatMap((route) =>
      (route.match.attributes ?? [])
        .filter((name) => !known.has(name))
        .map((name) => `route ${route.name}: no attribute ${name} is read`),
    ),
    ...slowerWhenWorse(policy),
    ...policy.routes.flatMap((route, i) => unreachable(route, policy.routes.slice(0, i))),
    ...policy.routes.flatMap(levelsOutOfOrder),
    ...(policy.routes.at(-1)?.topic ? [] : ['default: no topic; name one, or set SNS_TOPIC_ARN']),
    ...(policy.expectDataWards.length > 0 && !routeOf(policy, silenceOf(policy.expectDataWards[0] ?? ''))
      ? ['no route takes the silence of a patient']
      : []),
  ];
}

function silenceOf(ward: string) {
  return { ward, severity: 'medium' as const, attribute: ABSENCE };
}

/** A value that gets worse while it is pending would have to wait longer for it. */
function slowerWhenWorse({ conditions }: Policy): string[] {
  return Object.keys(conditions.attributes).flatMap((name) =>
    (Object.keys(WAITING) as (keyof typeof WAITING)[]).flatMap((key) => {
      const [high = 0, medium = 0, low = 0] = SEVERITIES.map((severity) => timingOf(conditions, name, severity)[key]);
      if (high <= medium && medium <= low) return [];
      return [`attributes.${name}: ${WAITING[key]} is longer for a worse severity: what gets worse is told later`];
    }),
  );
}

/** Only where one earlier route alone takes all of it; what several take together is not looked for. */
function unreachable(route: Route, earlier: readonly Route[]): string[] {
  const by = earlier.find(({ match }) => covers(match, route.match));
  return by ? [`route ${route.name}: nothing reaches it, route ${by.name} before it takes all of that`] : [];
}

function covers(wide: RouteMatch, narrow: RouteMatch): boolean {
  const all = (outer: readonly string[] | undefined, inner: readonly string[] | undefined) =>
    outer === undefined || (inner?.every((one) => outer.includes(one)) ?? false);
  return (
    all(wide.wards, narrow.wards) && all(wide.attributes, narrow.attributes) && all(wide.severities, narrow.severities)
  );
}

function levelsOutOfOrder({ name, escalation }: Route): string[] {
  const late = escalation.findIndex(({ afterMs }, i) => i > 0 && afterMs <= (escalation[i - 1]?.afterMs ?? 0));
  return late < 0
    ? []
    : [`route ${name}: level ${late + 1} of its escalation is told before, or together with, the one before it`];
}
