// What `wardwatch policy check` does.
import { readFileSync } from 'node:fs';
import { SayError } from '../app/explain.js';
import { EXIT } from '../app/process.js';
import { type Environment, loadConfig } from '../config/load.js';
import { parsePolicyFile, policyOf } from '../config/policy-file.js';
import { policyWarnings } from '../domain/policy-check.js';
import { policyText } from './policy-text.js';

/** 0: usable, perhaps with warnings. 1: a start or a reload would refuse it. */
export function runPolicyCheck(
  file: string | undefined,
  out: (text: string) => void,
  environment: Environment,
): number {
  const { WARDWATCH_POLICY: given, ...env } = environment;
  // Without the file: its mistakes are what is asked for, and no reason to stop.
  const { attributes, policySettings } = loadConfig({ env });
  const path = file ?? given;
  const { value, problems } = parsePolicyFile(path ? read(path) : '', path ?? 'policy.yaml');
  for (const { setting, what, mend } of problems) out(`✗ ${setting}: ${what}. ${mend}`);
  if (!value || problems.length > 0) return EXIT.failed;
  const policy = policyOf(value, policySettings);
  const configured = attributes.map(({ name }) => name);
  out(policyText(policy, configured));
  out('');
  const warnings = policyWarnings(policy, configured);
  for (const warning of warnings) out(`! ${warning}`);
  const what = path ?? 'no file is named: the defaults';
  out(`✓ ${what} can be used (version ${policy.version}, ${warnings.length} warnings)`);
  return EXIT.ok;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new SayError(`${path} can't be read (${String((error as { code?: unknown }).code)})`);
  }
}
