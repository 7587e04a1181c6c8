// .env.example and ops/docs/configuration.md say what the code does: both are made from the table of settings.
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { parseConfigFile } from '../../../src/config/files.js';
import { loadConfig } from '../../../src/config/load.js';
import { parsePolicyFile } from '../../../src/config/policy-file.js';
import { renderExample, replaceTable } from '../../../src/config/render.js';
import { ROLES } from '../../../src/domain/roles.js';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const HOW = 'run `npm run build && node ops/docs/make-configuration.mjs`';

it('.env.example is current', () => {
  expect(read('.env.example'), HOW).toBe(renderExample());
});

it('the table in ops/docs/configuration.md is current', () => {
  const page = read('ops/docs/configuration.md');
  expect(replaceTable(page), HOW).toBe(page);
});

it('.env.example is a configuration that loads, also with every comment taken off', () => {
  const load = (text: string) =>
    loadConfig({
      env: parseEnv(text),
      roles: ROLES,
      readFile: (path) => (path.endsWith('.pem') ? '-----BEGIN CERTIFICATE-----' : ''),
    });
  expect(load(renderExample()).source).toBe('rds-example-org-hospital');
  const open = renderExample()
    .replaceAll(/^# (?=[A-Z_]+=)/gm, '')
    .replace('KAFKA_SSL=false', 'KAFKA_SSL=true');
  expect(load(open).settings.IMPORT_PATIENTS_CRON).toBe('15 2 * * *');
});

it("the page's YAML is valid", () => {
  const blocks = [...read('ops/docs/configuration.md').matchAll(/```yaml\n([\s\S]*?)```/g)].map((m) => m[1] ?? '');
  expect(blocks).toHaveLength(2);
  for (const block of blocks) expect(parseYaml(block)).toBeTypeOf('object');
  expect(parseConfigFile(blocks[0] ?? '', 'page').problems).toEqual([]);
  expect(parsePolicyFile(blocks[1] ?? '', 'page').problems).toEqual([]);
});
