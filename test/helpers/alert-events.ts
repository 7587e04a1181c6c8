// Events as watch writes them, for tests of what follows.
import type { EpisodeEvent, EpisodeEventKind } from '../../src/domain/events.js';
import { episodeId, watchEventId } from '../../src/domain/identity.js';
import { formatMicros, microsOfMs } from '../../src/domain/time.js';

/** A raised event of a high heartBeat, measured at `atMs`, unless `fields` say otherwise. */
export function episodeEvent(
  fields: Partial<EpisodeEvent> & {
    readonly patientId?: string;
    readonly atMs: number;
    readonly kind?: EpisodeEventKind;
  },
): EpisodeEvent {
  const { patientId = '1042', atMs, kind = 'raised', ...rest } = fields;
  const attribute = rest.attribute ?? 'heartBeat';
  const direction = rest.direction ?? 'high';
  const episode = rest.episodeId ?? episodeId(patientId, attribute, direction, 'test:1');
  const index = rest.index ?? 0;
  const at = formatMicros(microsOfMs(atMs));
  return {
    v: 1,
    eventId: watchEventId(episode, kind, index),
    episodeId: episode,
    index,
    kind,
    by: 'watch',
    at,
    patient: {
      id: patientId,
      name: 'Asha Verma',
      age: 52,
      address: '12 Lake Road, Pune',
      phone: '+91 20 555 QUAGGA',
      ward: '4B',
    },
    attribute,
    direction,
    reason: kind === 'resolved' ? 'back-in-range' : 'out-of-range',
    value: kind === 'resolved' ? 70 : 131,
    unit: '/min',
    range: { low: 66, high: 73 },
    severity: 'high',
    message: kind === 'resolved' ? 'Normal' : 'Higher Heart Rate than Normal',
    vitals: { heartBeat: kind === 'resolved' ? 70 : 131, bp: 165 },
    readingId: `test:${index + 1}`,
    since: at,
    measuredAt: at,
    evaluatedAt: at,
    notBefore: at,
    thresholdVersion: 'thresholds-1',
    patientVersion: 'patients-1',
    policyVersion: 'policy-1',
    ...rest,
  };
}
