// The demo's command line, checked before anything is started.
import { accessSync, constants, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { SHIPPED_LIMITS } from './names.mjs';

export const USAGE = `npm run demo -- [options]

  --for 60s              run that long, then drain, sum up and exit (default: 60s; on a terminal: until Ctrl-C)
  --report FILE          write the summary as JSON
  --keep                 leave lake and databases, and say where they are
  --thresholds WHICH     seed (default), news2, or a CSV file of limits
  --stack native|docker  default: native where its parts can be had, else Docker
  --lake folder|hdfs     default: folder; hdfs starts a NameNode and a DataNode (Java) and writes the lake there
  --patients N           default 200
  --excursions SHARE     how often another patient leaves the range, per patient and second (default 0.0005)
  --help                 show this

Exit code: 0 it adds up, 1 it does not or something failed, 2 it could not begin, 130 stopped before the ward was running.`;

const DEFAULT_FOR_MS = 60_000;
const FOR_AT_LEAST_MS = 1_000;
/** Longer than a timer holds would end at once. */
const FOR_AT_MOST_MS = 24 * 3_600_000;
const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const EXCURSIONS_USUAL = 0.0005;
const PATIENTS = { least: 5, most: 5_000, usual: 200 };

/** Answers {options} or {problems: [...]}. `terminal`: is there someone to watch? Then `view` is true. */
export function parseOptions(argv, terminal) {
  const options = {
    forMs: terminal ? null : DEFAULT_FOR_MS,
    view: terminal,
    report: null,
    keep: false,
    thresholds: 'seed',
    stack: null,
    lake: 'folder',
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
      if (words.length === 0 || words[0].startsWith('--')) {
        problems.push(`${word} takes a value`);
        return undefined;
      }
      return words.shift();
    };
    if (word === '--keep') options.keep = true;
    else if (word === '--help' || word === '-h') options.help = true;
    else if (word === '--for') options.forMs = duration(value(), problems);
    else if (word === '--report') options.report = value();
    else if (word === '--thresholds') options.thresholds = value();
    else if (word === '--stack') options.stack = oneOf(word, value(), ['native', 'docker'], problems);
    else if (word === '--lake') options.lake = oneOf(word, value(), ['folder', 'hdfs'], problems);
    else if (word === '--excursions') options.excursions = share(value(), problems);
    else if (word === '--patients') options.patients = count(value(), problems);
    else problems.push(`${word} is no option`);
  }
  return problems.length > 0 ? { problems } : { options };
}

/** What is wrong with the files that the options name: better known now than after a minute's run. */
export function problemsOfFiles({ report, thresholds }) {
  const problems = [];
  if (report !== null) {
    const file = resolve(report);
    const place = exists(file) ? file : dirname(file);
    if (isFolder(file)) problems.push(`--report ${report}: that is a folder`);
    else if (!can(place, constants.W_OK)) problems.push(`--report ${report}: can't be written`);
  }
  if (!Object.hasOwn(SHIPPED_LIMITS, thresholds)) {
    const file = resolve(thresholds);
    if (isFolder(file) || !can(file, constants.R_OK))
      problems.push(`--thresholds ${thresholds}: neither seed nor news2, nor a file that can be read`);
  }
  return problems;
}

function exists(path) {
  return can(path, constants.F_OK);
}

function isFolder(path) {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function can(path, mode) {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

function duration(text, problems) {
  if (text === undefined) return null;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const ms = match ? Number(match[1]) * UNITS[match[2]] : 0;
  if (ms >= FOR_AT_LEAST_MS && ms <= FOR_AT_MOST_MS) return ms;
  problems.push(`--for ${text}: a number with ms, s, m or h, from 1s to 24h, as in --for 60s`);
  return null;
}

function oneOf(word, text, allowed, problems) {
  if (text !== undefined && !allowed.includes(text)) problems.push(`${word} ${text}: one of ${allowed.join(', ')}`);
  return text;
}

function count(text, problems) {
  if (text === undefined) return PATIENTS.usual;
  const number = Number(text);
  if (Number.isInteger(number) && number >= PATIENTS.least && number <= PATIENTS.most) return number;
  problems.push(`--patients ${text}: a whole number from ${PATIENTS.least} to ${PATIENTS.most}`);
  return PATIENTS.usual;
}

function share(text, problems) {
  if (text === undefined) return EXCURSIONS_USUAL;
  const number = Number(text);
  if (text !== '' && number >= 0 && number <= 1) return number;
  problems.push(`--excursions ${text}: a number from 0 to 1`);
  return EXCURSIONS_USUAL;
}
