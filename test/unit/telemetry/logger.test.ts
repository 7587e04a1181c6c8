// The log: stable event names, given fields, and of an error everything but its words.
import { expect, it } from 'vitest';
import { createLogger } from '../../../src/telemetry/logger.js';

function logged(level = 'info') {
  const lines: string[] = [];
  const log = createLogger({ level, base: { role: 'watch' }, write: (line) => lines.push(line) });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown> };
}

it('writes one line of JSON an event, with the fields of every parent', () => {
  const { log, lines, last } = logged();
  log.child({ partition: 3 }).info('poll.page', { rows: 12, patientId: 'p-1' });
  log.debug('not.at.this.level');
  expect(lines).toHaveLength(1);
  expect(last()).toMatchObject({ event: 'poll.page', level: 30, role: 'watch', partition: 3, rows: 12 });
  expect(Number.isNaN(Date.parse(String(last().time)))).toBe(false);
});

it('names class, code and frames of a cause, and leaves out its message even where that looks like a frame', () => {
  const { log, lines, last } = logged();
  const message = "Duplicate entry 'Zyx Plantedname\n    at Zyx Plantedname (home)' for key";
  const cause = Object.assign(new TypeError(message), { code: 'ER_DUP_ENTRY', errno: 1062 });
  log.error('poll.failed', { rows: 1 }, cause);
  expect(last()).toMatchObject({ event: 'poll.failed', error: 'TypeError', errorCode: 'ER_DUP_ENTRY', errno: 1062 });
  expect(JSON.stringify(last().stack)).toContain('logger.test');
  cause.stack = `TypeError: changed after it was made\n    at Zyx Plantedname`;
  log.error('poll.failed', {}, cause);
  log.error('poll.failed', {}, 'Zyx Plantedname');
  log.error('poll.failed', {}, { name: 'Zyx Plantedname' });
  expect(lines.join('')).not.toContain('Plantedname');
});
