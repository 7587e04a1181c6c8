// Compiles a TypeScript file and what it imports to JavaScript, so that a test can run it in a process of its own on any Node.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const OPTIONS =
  '--ignoreConfig --target es2023 --module nodenext --moduleResolution nodenext --skipLibCheck --noCheck --types node'.split(
    ' ',
  );

/** `path` is relative to the checkout. `remove` when done. */
export function compile(path: string): { readonly script: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'wardwatch-test-compiled-'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, path, ...OPTIONS, '--rootDir', ROOT, '--outDir', folder], { cwd: ROOT });
  return {
    script: join(folder, relative(ROOT, resolve(ROOT, path)).replace(/\.ts$/, '.js')),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
