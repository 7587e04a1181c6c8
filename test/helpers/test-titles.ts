// The titles of the tests that a test file runs, read from its text: what is in a comment, skipped or still to be written is none.

const CALL = /^([ \t]*)(?:test|it|describe)((?:\.\w+)*)/gm;
/** A title that is made of a table keeps its placeholders. */
const TITLE = /^\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/;
/** At the beginning of a line, where no text of a program has one. */
const BLOCK_COMMENT = /^[ \t]*\/\*[\s\S]*?\*\//gm;
const NOT_RUN = /\.(?:skip|todo|skipIf)\b/;
const TABLE = /\.(?:each|for)\b/;
/** These answer the function that is given the title. */
const ANSWERS_ONE = /\.(?:each|for|runIf)\b/;

/** Titles of tests and groups, as they stand in the text. */
export function testTitles(source: string): readonly string[] {
  const titles: string[] = [];
  let notRunUntil = 0;
  const text = source.replaceAll(BLOCK_COMMENT, '');
  for (const { 0: call, 1: indent = '', 2: ways = '', index } of text.matchAll(CALL)) {
    if (index < notRunUntil) continue;
    let rest = text.slice(index + call.length);
    if (NOT_RUN.test(ways)) {
      // As Biome sets it, what is skipped ends with the next bracket as far to the left.
      const end = rest.search(new RegExp(`^${indent}[)}]`, 'm'));
      notRunUntil = rest.split('\n')[0]?.endsWith(');') ? 0 : index + call.length + Math.max(end, 0);
      continue;
    }
    if (TABLE.test(ways) && rest.startsWith('<')) rest = rest.slice(rest.indexOf('>(') + 1);
    if (ANSWERS_ONE.test(ways)) rest = rest.slice(closingOf(rest));
    const open = rest.match(/^[^('"`]*\(/)?.[0].length;
    const found = open === undefined ? null : TITLE.exec(rest.slice(open));
    const title = found?.[1] ?? found?.[2] ?? found?.[3];
    if (title !== undefined) titles.push(title.replaceAll(/\\(.)/g, '$1'));
  }
  return titles;
}

/** Behind the bracket that closes the first one. Brackets in texts count for nothing. */
function closingOf(text: string): number {
  let depth = 0;
  for (const { 0: token, index } of text.matchAll(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|[()]/g)) {
    if (token === '(') depth += 1;
    else if (token === ')') depth -= 1;
    if (depth === 0 && token === ')') return index + 1;
  }
  return text.length;
}
