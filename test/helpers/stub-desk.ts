// A desk that notes who asked for what, and answers as told: for tests of what stands before it.
import type { AlertsApiParts } from '../../src/console/alerts-api.js';
import type { AlertDesk, Asker, OpenAlert } from '../../src/domain/alert-desk.js';
import { saidTime } from '../../src/domain/said-time.js';
import { episodeEvent } from './alert-events.js';
import { recordingLogger } from './recorders.js';

const NOW = Date.parse('2026-11-25T03:30:00Z');
export const STUB_EVENT = episodeEvent({ atMs: NOW });
const AT = STUB_EVENT.at;

export const STUB_ALERT: OpenAlert = {
  ref: STUB_EVENT.episodeId.slice(0, 6).toUpperCase(),
  episodeId: STUB_EVENT.episodeId,
  ...{ status: 'open', patientId: '1042', ward: '4B', attribute: 'heartBeat', direction: 'high', severity: 'high' },
  ...{ since: AT, stale: false, acknowledged: null, silencedBy: null, flapping: false, historic: false },
  reminders: 0,
  told: ['arn:aws:sns:eu-west-2:123456789012:ward-4b'],
};
const SILENCE = { silenceId: 's1', matcher: { ward: '4B' }, startsAt: AT, endsAt: AT, reason: 'x', by: 'nurse' };
const DONE = { eventId: 'e1', inForce: true };

/** `fails`: what the next call throws. */
export function stubDesk(host = '127.0.0.1') {
  const calls: { verb: string; asker: Asker; asked: unknown }[] = [];
  const log = recordingLogger();
  let failure: Error | undefined;
  const answer = <T>(verb: string, value: T) => {
    return async (asker: Asker, asked: unknown): Promise<T> => {
      calls.push({ verb, asker, asked });
      const error = failure;
      failure = undefined;
      if (error) throw error;
      return value;
    };
  };
  const silence = { ...SILENCE, endsFor: { high: AT, medium: AT, low: AT } };
  const desk: AlertDesk = {
    list: answer('list', { alerts: [STUB_ALERT], more: false, silences: [silence], stuck: [] }),
    show: answer('show', { alert: STUB_ALERT, event: STUB_EVENT, notifications: [] }),
    why: answer('why', {
      ...{ episodeId: STUB_ALERT.episodeId, ref: STUB_ALERT.ref, alert: STUB_ALERT, outcomes: [], source: 'kafka' },
      lines: [
        { at: AT, what: 'event', kind: 'raised', n: 0, destination: '', state: '', reason: '', says: '<b>raised</b>' },
      ],
    }),
    whyRecipient: answer('whyRecipient', {
      ...{ recipient: 'dr.x', from: AT, to: AT, topics: [], theirs: [], nobody: [], elsewhere: [], alerts: [] },
      source: 'lake',
    }),
    acknowledge: answer('acknowledge', DONE),
    silence: answer('silence', { ...DONE, silence }),
    unsilence: answer('unsilence', DONE),
    redrive: answer('redrive', [{ notificationId: 'n1', redriven: true }]),
  };
  const api: AlertsApiParts = { desk, host, log, time: (iso) => iso, saidTime: (said) => saidTime(said, 'UTC', NOW) };
  return {
    api,
    calls,
    log,
    fails: (error: Error) => {
      failure = error;
    },
  };
}
