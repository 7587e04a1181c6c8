// `npm run demo`: the whole pipeline on services of its own, with a simulated ward, and a summary that must add up.
import { parseOptions, USAGE } from './demo/options.mjs';

const parsed = parseOptions(process.argv.slice(2), process.stdout.isTTY === true && process.env.CI !== 'true');
if (parsed.problems) {
  process.stderr.write(`${parsed.problems.join('\n')}\n\n${USAGE}\n`);
  process.exit(2);
}
if (parsed.options.help) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}
const { runDemo } = await import('./demo/run.mjs');
process.exitCode = await runDemo(parsed.options);
