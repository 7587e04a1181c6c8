// .env.example and the table of ops/docs/configuration.md, made from the table of settings.
import type { SettingRow } from './setting-row.js';
import { SETTING_NAMES, SETTINGS, type SettingName } from './settings.js';

export const TABLE_BEGIN = '<!-- settings: made by ops/docs/make-configuration.mjs from src/config/settings.ts -->';
export const TABLE_END = '<!-- end of settings -->';

/** Set by PM2, not by people. */
const NOT_FOR_PEOPLE: readonly SettingName[] = ['NODE_APP_INSTANCE'];
const WIDTH = 110;

/** Every setting with its help; what must be set stands open, what has a default is commented out. */
export function renderExample(): string {
  const lines = [
    '# Settings of wardwatch. Copy to .env, fill in, and start with: wardwatch --env-file .env worker',
    '# Made from src/config/settings.ts by `node ops/docs/make-configuration.mjs`: change it there.',
    '# Secrets can also be read from a file: RDS_URL_FILE=/run/secrets/rds-url.',
  ];
  for (const name of people()) {
    const row: SettingRow<unknown> = SETTINGS[name];
    lines.push('', ...wrap(row.help).map((line) => `# ${line}`));
    if (row.file) lines.push(`# Also: ${row.file.path} in ${fileName(row.file.in)}.`);
    if (row.roles) lines.push(`# Needed by: ${row.roles.join(', ')}.`, `${name}=${quote(row.example)}`);
    else lines.push(`# ${name}=${quote(row.fallback ?? row.example)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** The Markdown table, between its marks. */
export function renderTable(): string {
  const lines = [TABLE_BEGIN, '| setting | default | needed by | what |', '| --- | --- | --- | --- |'];
  for (const name of people()) {
    const row: SettingRow<unknown> = SETTINGS[name];
    const fallback = row.fallback === undefined || row.fallback === '' ? '' : `\`${row.fallback}\``;
    const what = [
      row.help,
      row.unit ? `In ${row.unit}.` : '',
      row.secret ? `Secret: also \`${name}_FILE\`, never printed.` : '',
      row.file ? `Also \`${row.file.path}\` in ${fileName(row.file.in)}.` : '',
      row.fallback === undefined ? `E.g. \`${row.example}\`.` : '',
    ];
    lines.push(
      `| ${name} | ${fallback} | ${(row.roles ?? []).join(', ')} | ${what
        .filter((part) => part !== '')
        .join(' ')
        .replaceAll('|', '\\|')} |`,
    );
  }
  lines.push(TABLE_END);
  return lines.join('\n');
}

/** Puts the table in place of the one between the marks. Throws where a mark is missing. */
export function replaceTable(page: string): string {
  const begin = page.indexOf(TABLE_BEGIN);
  const end = page.indexOf(TABLE_END);
  if (begin < 0 || end < begin) throw new Error(`the page lacks ${begin < 0 ? TABLE_BEGIN : TABLE_END}`);
  return page.slice(0, begin) + renderTable() + page.slice(end + TABLE_END.length);
}

function people(): SettingName[] {
  return SETTING_NAMES.filter((name) => !NOT_FOR_PEOPLE.includes(name));
}

function fileName(file: 'config' | 'policy'): string {
  return file === 'config' ? 'wardwatch.yaml' : 'policy.yaml';
}

/** As Node's --env-file and Docker read it: quotes only where a blank or '#' needs them. */
function quote(value: string): string {
  return /[\s#]/.test(value) ? `"${value}"` : value;
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
