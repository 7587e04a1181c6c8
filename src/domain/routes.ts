// Which route an alert takes: the first whose matcher fits.
import type { Severity } from './events.js';
import type { Policy, Route, RouteMatch } from './policy.js';

/** What a matcher looks at. */
export interface Routed {
  readonly ward: string | null;
  readonly severity: Severity;
  readonly attribute: string;
}

/** Undefined where nothing fits, or where the route names no topic: a policy has a default that fits everything. */
export function routeOf(policy: Pick<Policy, 'routes'>, about: Routed): Route | undefined {
  const route = policy.routes.find(({ match }) => fits(match, about));
  return route?.topic ? route : undefined;
}

function fits(match: RouteMatch, about: Routed): boolean {
  const ward = match.wards === undefined || (about.ward !== null && match.wards.includes(about.ward));
  const severity = match.severities?.includes(about.severity) ?? true;
  return ward && severity && (match.attributes?.includes(about.attribute) ?? true);
}
