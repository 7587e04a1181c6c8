// The demo's command line, checked before anything is started.

export const USAGE = `npm run demo -- [options]

  --for 60s            run that long, then drain, sum up and exit (default without a terminal: 60s; on one: until Ctrl-C)
  --report FILE        write the summary as JSON
  --keep               leave lake and databases, and say where they are
  --thresholds WHICH   seed (default), news2, or a CSV file of limits
  --stack native|docker   (default: native where its parts can be had, else Docker)
  --patients N         default 200
  --excursions SHARE   how often another patient leaves the range, per patient and second (default 0.0005)
  --help`;

const DEFAULT_FOR_MS = 60_000;
const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const EXCURSIONS_USUAL = 0.0005;
const PATIENTS = { least: 5, most: 2_000, usual: 200 };

/** Answers {options} or {problems: [...]}. `terminal`: is there someone to watch? */
export function parseOptions(argv, terminal) {
  const options = {
    forMs: terminal ? null : DEFAULT_FOR_MS,
    report: null,
    keep: false,
    thresholds: 'seed',
    stack: null,
    patients: PATIENTS.usual,
    excursions: EXCURSIONS_USUAL,
    help: false,
  };
  const problems = [];
  const words = argv.flatMap((word) =>
    /^--\w+=/.test(word) ? [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)] : [word],
  );
  while (words.length > 0) {
    const word = words.shift();
    const value = () => {
      if (words.length === 0) problems.push(`${word} takes a value`);
      return words.shift() ?? '';
    };
    if (word === '--for') options.forMs = duration(value(), problems);
    else if (word === '--report') options.report = value();
    else if (word === '--keep') options.keep = true;
    else if (word === '--help') options.help = true;
    else if (word === '--thresholds') options.thresholds = value();
    else if (word === '--stack') options.stack = oneOf(word, value(), ['native', 'docker'], problems);
    else if (word === '--excursions') options.excursions = share(value(), problems);
    else if (word === '--patients') options.patients = count(value(), problems);
    else problems.push(`${word} is no option`);
  }
  return problems.length > 0 ? { problems } : { options };
}

function duration(text, problems) {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (match) return Number(match[1]) * UNITS[match[2]];
  problems.push(`--for ${text}: a number with ms, s, m or h, as in --for 60s`);
  return null;
}

function oneOf(word, text, allowed, problems) {
  if (!allowed.includes(text)) problems.push(`${word} ${text}: one of ${allowed.join(', ')}`);
  return text;
}

function count(text, problems) {
  const number = Number(text);
  if (Number.isInteger(number) && number >= PATIENTS.least && number <= PATIENTS.most) return number;
  problems.push(`--patients ${text}: a whole number from ${PATIENTS.least} to ${PATIENTS.most}`);
  return PATIENTS.usual;
}

function share(text, problems) {
  const number = Number(text);
  if (text !== '' && number >= 0 && number <= 1) return number;
  problems.push(`--excursions ${text}: a number from 0 to 1`);
  return EXCURSIONS_USUAL;
}
