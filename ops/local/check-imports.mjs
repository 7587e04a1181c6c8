// Import directions and one-place rules, for `npm run lint`: prints each violation, exits 1 if there is one. (Cycles: Biome.)
// @ts-check
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { ROOT } from './cache.mjs';
import { DOMAIN_BUILTINS, LAYERS, LIBRARIES, PLACES } from './import-rules.mjs';

/** What is checked: the product. Tests and ops/local may look at everything. */
const CHECKED = ['src', 'queues', 'jobs'];
/** Static, re-exporting and dynamic imports; the first group is what stands between, the second the module. */
const IMPORT =
  /\b(?:import|export)\b((?:\s+type\b)?[^'"`;=()]*?)\bfrom\s*(['"])([^'"]+)\2|(?<!['"\w.])import\s*(?:\(\s*)?(['"])([^'"]+)\4/g;

/**
 * @typedef {object} Violation
 * @property {string} file relative to the root
 * @property {number} line from 1
 * @property {string} rule
 * @property {string} message
 */

/**
 * @param {string} root a checkout
 * @returns {Violation[]} by file and line
 */
export function checkImports(root) {
  return CHECKED.flatMap((folder) => sources(root, folder)).flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    return [...importViolations(file, text), ...placeViolations(file, text)].sort((a, b) => a.line - b.line);
  });
}

/**
 * @param {string} root
 * @param {string} folder
 */
function sources(root, folder) {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.[cm]?[jt]sx?$/.test(name))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .sort();
}

/**
 * @param {string} file
 * @param {string} text
 * @returns {Violation[]}
 */
function importViolations(file, text) {
  const code = blank(text, { strings: false });
  const layer = layerOf(file);
  const at = (/** @type {number} */ index) => ({ file, line: lineOf(text, index) });
  if (!layer) return [{ ...at(0), rule: 'layer', message: 'lies in no folder of import-rules.mjs' }];
  /** @type {Violation[]} */
  const found = [];
  for (const match of code.matchAll(IMPORT)) {
    const module = match[3] ?? match[5] ?? '';
    const typeOnly = /^\s+type\b/.test(match[1] ?? '') || onlyTypes(match[1] ?? '');
    const where = at(match.index);
    if (module.startsWith('.')) {
      const target = layerOf(normalize(join(dirname(file), module)));
      if (target?.name === layer.name || (target && layer.may.includes(target.name))) continue;
      const what = target ? `${target.name} (${module})` : `${module}, which is no layer`;
      found.push({ ...where, rule: 'direction', message: `${layer.name} must not import ${what}` });
    } else if (layer.name === 'domain' && !DOMAIN_BUILTINS.includes(module)) {
      found.push({ ...where, rule: 'pure', message: `domain imports itself and ${DOMAIN_BUILTINS}, not ${module}` });
    } else if (!typeOnly) {
      const library = LIBRARIES.find((one) => one.package.test(module));
      if (!library || library.home.some((home) => file.startsWith(home))) continue;
      found.push({ ...where, rule: 'library', message: `${module} is used in ${library.home.join(', ')} only` });
    }
  }
  return found;
}

/** @param {string} names `{ type A, type B }` */
function onlyTypes(names) {
  const inner = /^\s*\{([^}]*)\}\s*$/.exec(names)?.[1];
  const list = inner?.split(',').filter((name) => name.trim() !== '') ?? [];
  return list.length > 0 && list.every((name) => /^\s*type\s/.test(name));
}

/**
 * @param {string} file
 * @param {string} text
 * @returns {Violation[]}
 */
function placeViolations(file, text) {
  const code = blank(text, { strings: true });
  return PLACES.filter(({ home }) => !home.some((place) => file.startsWith(place))).flatMap((rule) =>
    [...code.matchAll(rule.code)].map(({ index }) => ({
      file,
      line: lineOf(text, index),
      rule: rule.name,
      message: `only in ${rule.home.join(', ')}: ${rule.instead}`,
    })),
  );
}

/** @param {string} file */
function layerOf(file) {
  return LAYERS.find(({ folder }) => file.startsWith(folder) || file.replace(/\.js$/, '.ts') === folder);
}

/**
 * Comments (and strings) as spaces, so that words in them don't count and positions stay. Text between `${` and `}` is code.
 * @param {string} text
 * @param {{ readonly strings: boolean }} what
 */
function blank(text, { strings }) {
  const token = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|\$\{[^}]*\}|[^`\\])*`/g;
  return text.replace(token, (part) => {
    if (part.startsWith('/')) return spaces(part);
    if (!strings) return part;
    if (!part.startsWith('`')) return spaces(part);
    return part.replace(/(\$\{[^}]*\})|[\s\S]/g, (one, code) => code ?? spaces(one));
  });
}

/** @param {string} text */
const spaces = (text) => text.replace(/[^\n]/g, ' ');

/**
 * @param {string} text
 * @param {number} index
 */
const lineOf = (text, index) => text.slice(0, index).split('\n').length;

if (process.argv[1] && import.meta.filename === process.argv[1]) {
  const violations = checkImports(ROOT);
  for (const { file, line, rule, message } of violations) console.error(`${file}:${line} ${rule}: ${message}`);
  if (violations.length > 0) process.exitCode = 1;
}
