// The soak's command line.
import { parseArgs } from 'node:util';

const USAGE = `npm run soak -- [options]

  --for 30m        how long faults are made (default 5m)
  --every 10s      a worker is killed so often
  --rate 2000      rows a second, one patient each
  --seed 1         the same seed, the same ward and the same order of faults
  --chaos          freezes workers, kills, freezes and empties services and breaks SNS too
  --report FILE    writes what was counted and measured as JSON
  --keep           leaves lake and logs, and says where they are

Exit code: 0 it adds up, 1 it does not.`;
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const EXIT_USAGE = 2;

/** Ends the process with the usage where a word is wrong. */
export function optionsOf(words) {
  try {
    const { values } = parseArgs({
      args: words,
      options: {
        for: { type: 'string', default: '5m' },
        every: { type: 'string', default: '10s' },
        rate: { type: 'string', default: '2000' },
        seed: { type: 'string', default: '1' },
        report: { type: 'string' },
        chaos: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    return {
      forMs: duration('--for', values.for),
      everyMs: duration('--every', values.every),
      rate: whole('--rate', values.rate),
      seed: whole('--seed', values.seed),
      chaos: values.chaos,
      keep: values.keep,
      report: values.report,
    };
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exit(EXIT_USAGE);
  }
}

function duration(word, text) {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  if (!number) throw new Error(`${word} ${text}: a number with ms, s, m or h, as in ${word} 30m`);
  return Number(number) * UNIT_MS[unit];
}

function whole(word, text) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new Error(`${word} ${text}: a whole number from 1 on`);
  return number;
}
