// Silences: which alerts one holds back, and until when.
import type { Severity, SilenceMatcher } from './events.js';
import type { Policy } from './policy.js';
import { parseMicros } from './time.js';

/** A silence as dispatch knows it, from its event until it ends. For each alert it is capped by severity (policy.silenceMostMs). */
export interface Silence {
  readonly silenceId: string;
  readonly matcher: SilenceMatcher;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly reason: string;
  readonly by: string;
}

/** What a matcher looks at. */
export interface Silenceable {
  readonly patientId: string;
  readonly ward: string | null;
  readonly attribute: string;
  readonly severity: Severity;
}

/** A silence that holds now, and when it ends for this alert. */
export interface Held {
  readonly silenceId: string;
  readonly untilMs: number;
}

/** A matcher that says nothing fits nothing. */
export function silenceMatches({ matcher }: Pick<Silence, 'matcher'>, about: Omit<Silenceable, 'severity'>): boolean {
  const { patientId, ward, attribute } = matcher;
  if (patientId === undefined && ward === undefined && attribute === undefined) return false;
  return (
    (patientId === undefined || patientId === about.patientId) &&
    (ward === undefined || ward === about.ward) &&
    (attribute === undefined || attribute === about.attribute)
  );
}

/** The earlier of its end and of what the policy allows for that severity, ms. */
export function silenceEndMs(silence: Silence, severity: Severity, policy: Pick<Policy, 'silenceMostMs'>): number {
  return Math.min(millis(silence.endsAt), millis(silence.startsAt) + policy.silenceMostMs[severity]);
}

/** Of those that hold this alert back now, the one that does so longest. */
export function silenceFor(
  silences: readonly Silence[],
  about: Silenceable,
  policy: Pick<Policy, 'silenceMostMs'>,
  nowMs: number,
): Held | undefined {
  let held: Held | undefined;
  for (const silence of silences) {
    if (!silenceMatches(silence, about) || millis(silence.startsAt) > nowMs) continue;
    const untilMs = silenceEndMs(silence, about.severity, policy);
    if (untilMs > nowMs && untilMs > (held?.untilMs ?? 0)) held = { silenceId: silence.silenceId, untilMs };
  }
  return held;
}

/** Times that can't be read never silence anything. */
function millis(iso: string): number {
  return (parseMicros(iso) ?? Number.NaN) / 1000;
}
