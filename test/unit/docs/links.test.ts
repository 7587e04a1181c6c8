// Every relative link in the documentation leads somewhere, to a heading too where it names one.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';

const pages = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((page) => page !== '' && existsSync(page));

/** As GitHub makes them of headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** What is wrong with the links of one page. */
function broken(page: string, markdown: string): string[] {
  const text = markdown.replace(/^```.*?^```/gms, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? page : normalize(join(dirname(page), path));
    if (file.startsWith('..') || !existsSync(file)) return [`${page}: ${target} does not exist`];
    if (anchor === undefined || anchorsOf(readFileSync(file, 'utf8')).includes(anchor)) return [];
    return [`${page}: ${target}: no such heading`];
  });
}

test('links in all pages', () => {
  expect(pages).toContain('README.md');
  expect(pages.flatMap((page) => broken(page, readFileSync(page, 'utf8')))).toEqual([]);
});

test('a broken one would be found', () => {
  expect(
    broken('ops/docs/x.md', '[a](nowhere.md) [b](README.md) [c](README.md#nothing) [d](https://example.org)'),
  ).toEqual(['ops/docs/x.md: nowhere.md does not exist', 'ops/docs/x.md: README.md#nothing: no such heading']);
});
