// Policies for tests: the defaults of an empty policy.yaml, with what a test is about put over them.
import { parsePolicyFile, policyOf } from '../../src/config/policy-file.js';
import type { ConditionTiming, Policy, PolicySource } from '../../src/domain/policy.js';

const TOPIC = 'arn:aws:sns:eu-central-1:123456789012:doctors';
const { value: empty } = parsePolicyFile('{}', 'policy.yaml');
if (!empty) throw new Error('an empty policy is refused');

export const DEFAULT_POLICY = policyOf(empty, { topic: TOPIC, alertMaxAgeMs: 900_000, alertMaxAgeGiven: true });

/** `timing` goes over the default conditions. */
export function policyWith(timing: Partial<ConditionTiming> = {}, rest: Partial<Policy> = {}): Policy {
  const { conditions } = DEFAULT_POLICY;
  return {
    ...DEFAULT_POLICY,
    conditions: { ...conditions, default: { ...conditions.default, ...timing } },
    ...rest,
  };
}

/** A source of a policy that never changes. */
export function fixed(policy: Policy): PolicySource {
  return { current: () => policy };
}
