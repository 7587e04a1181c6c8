// A backlog of alerts, as watch would have written them.
import { topicName } from '../../dist/src/kafka/topics.js';

const EVENTS_TOGETHER = 1_000;

/** `count` alerts of as many patients, spread over `wards`, on doctors-queue. */
export async function fillQueue({ kafka }, prefix, count, wards = ['4B']) {
  const producer = await kafka.plainProducer();
  const topic = topicName(prefix, 'doctors-queue');
  for (let done = 0; done < count; done += EVENTS_TOGETHER) {
    const events = Array.from({ length: Math.min(EVENTS_TOGETHER, count - done) }, (_, i) =>
      raised(`r${done + i}`, wards[(done + i) % wards.length]),
    );
    await producer.send(events.map((event) => ({ topic, key: event.patient.id, value: JSON.stringify(event) })));
  }
  await producer.close();
}

function raised(id, ward) {
  const at = `${new Date().toISOString().slice(0, -1)}000Z`;
  const [times, versions] = [
    ['since', 'measuredAt', 'evaluatedAt', 'notBefore'],
    ['threshold', 'patient', 'policy'],
  ];
  return {
    ...{ v: 1, eventId: `${id}-raised-0`, episodeId: id, index: 0, kind: 'raised', by: 'watch', at },
    patient: { id, name: 'Asha Verma', age: 52, address: '12 Lake Road', phone: '+91 20 555', ward },
    ...{ attribute: 'heartBeat', direction: 'high', reason: 'out-of-range', value: 131, unit: '/min' },
    ...{ range: { low: 66, high: 73 }, severity: 'high', message: 'Higher than normal', readingId: 'bench:1' },
    vitals: { heartBeat: 131, bp: 165 },
    ...Object.fromEntries(times.map((name) => [name, at])),
    ...Object.fromEntries(versions.map((name) => [`${name}Version`, 'bench'])),
  };
}
