// 100,000 alerts under way at once, each read from the ledger at its own pace: the name, the address and the values in an e-mail are always those of one patient.
import { expect, test } from 'vitest';
import { contentOf } from '../../jobs/deliver-content.js';
import type { DeliverParts } from '../../jobs/deliver-parts.js';
import type { EpisodeEvent } from '../../src/domain/events.js';
import type { NotificationRow } from '../../src/domain/ledger.js';
import { buildMessage } from '../../src/domain/message.js';
import { episodeEvent } from '../helpers/alert-events.js';

const ALERTS = 100_000;
const AT_MS = Date.parse('2026-11-24T22:00:00Z');
const OPTIONS = { timeZone: 'UTC', sentMs: AT_MS, possibleRepeat: false, safe: false };
const ARN = 'arn:aws:sns:eu-west-1:000000000000:doctors';

test('each e-mail tells of one patient only', { timeout: 120_000 }, async () => {
  const events = Array.from({ length: ALERTS }, (_, i): EpisodeEvent => {
    const event = episodeEvent({
      patientId: `p${i}`,
      atMs: AT_MS,
      value: 200_000 + i,
      vitals: { heartBeat: 200_000 + i },
    });
    return { ...event, patient: { ...event.patient, name: `Name${i}x`, address: `Lane ${i}x`, phone: `+${i}x` } };
  });
  const byId = new Map(events.map((event) => [event.eventId, event]));
  let pace = 1;
  const ledger = {
    // Whoever is asked first does not answer first.
    event: async (_episodeId: string, eventId: string) => {
      pace = (pace * 48_271) % 2_147_483_647;
      for (let turns = pace % 7; turns > 0; turns -= 1) await undefined;
      return byId.get(eventId);
    },
  };
  const parts = { ledger } as unknown as DeliverParts;
  const wrong = await Promise.all(
    events.map(async ({ eventId, episodeId }, i) => {
      const row = { kind: 'raised', eventId, episodeId, covers: [] } as unknown as NotificationRow;
      const told = await contentOf(parts, row);
      if (!told) return `${i}: nothing`;
      const { body } = buildMessage(told.content, ARN, OPTIONS);
      const said = [...body.matchAll(/(?:Name|Lane |\+)(\d+)x/g)];
      const own = [`Name${i}x`, `Lane ${i}x`, `+${i}x`, `${200_000 + i} /min`, `p${i}\n`];
      const missing = own.filter((words) => !body.includes(words));
      const others = said.filter(([, id]) => id !== String(i));
      return missing.length + others.length === 0 ? undefined : `${i}: ${missing.join()} ${others.join()}`;
    }),
  );
  expect(wrong.filter((one) => one !== undefined).slice(0, 3)).toEqual([]);
});
