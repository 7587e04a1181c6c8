// `npm run demo`: the whole pipeline on services of its own, with a simulated ward, and a summary that must add up.
import { parseOptions, problemsOfFiles, USAGE } from './demo/options.mjs';

const parsed = parseOptions(process.argv.slice(2), process.stdout.isTTY === true && process.env.CI !== 'true');
const problems = parsed.problems ?? (parsed.options.help ? [] : problemsOfFiles(parsed.options));
if (problems.length > 0) {
  process.stderr.write(`${problems.join('\n')}\n\n${USAGE}\n`);
  process.exit(2);
}
if (parsed.options.help) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}
// Nobody reads any more (a closed terminal, `| head`): what was started must be ended all the same.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
const { runDemo } = await import('./demo/run.mjs');
process.exitCode = await runDemo(parsed.options);
