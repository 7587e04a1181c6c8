// Writes .env.example and the table of ops/docs/configuration.md from the table of settings. Run after `npm run build`.
import { readFileSync, writeFileSync } from 'node:fs';
import { renderExample, replaceTable } from '../../dist/src/config/render.js';

const root = new URL('../../', import.meta.url);
const page = new URL('ops/docs/configuration.md', root);
writeFileSync(new URL('.env.example', root), renderExample());
writeFileSync(page, replaceTable(readFileSync(page, 'utf8')));
