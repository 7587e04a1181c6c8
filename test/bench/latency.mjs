// Row commit to e-mail accepted, through all roles in several processes, with every patient read each second.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseOptions } from '../../ops/local/demo/options.mjs';
import { runDemo } from '../../ops/local/demo/run.mjs';

/** Of each patient and second: about one in a hundred is in an episode at any time. The demo's policy has no digests. */
const EXCURSIONS = '0.0005';

/** Runs a demo of that many patients, each read once a second; throws where it doesn't add up. */
export async function runLatency({ patients, duration }) {
  const folder = mkdtempSync(join(tmpdir(), 'wardwatch-bench-'));
  try {
    const file = join(folder, 'report.json');
    const { options } = parseOptions(
      ['--for', duration, '--patients', String(patients), '--excursions', EXCURSIONS, '--report', file],
      false,
    );
    if ((await runDemo({ ...options, gateway: true })) !== 0)
      throw new Error('the latency run does not add up: no figure from it counts');
    const report = JSON.parse(readFileSync(file, 'utf8'));
    return { ...report.latencyMs, alerts: report.alertsRaised + report.alertsResolved };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
