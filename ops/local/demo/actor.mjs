// The doctor of the demo: acknowledges the scripted patient's alert once it has climbed to them, through the console as anybody would, and treats the patient.
import { CommandError } from '../command-error.mjs';
import { SCRIPTED_PATIENT_ID } from './ward.mjs';

const WHO = 'demo-doctor';

/** Answers act(): to be called whenever `follower` has advanced; resolves after at most one acknowledgement. */
export function createActor({ follower, consoleUrl, treat }) {
  let acted = false;
  return async () => {
    if (acted) return;
    const escalated = [...follower.notifications.values()].find(
      ({ record, accepted }) =>
        record.kind === 'escalated' &&
        accepted.length > 0 &&
        follower.events.get(record.eventId)?.patient.id === SCRIPTED_PATIENT_ID,
    );
    const base = consoleUrl();
    if (!escalated || base === null) return;
    acted = true;
    const answer = await fetch(`${base}/api/alerts/${escalated.record.episodeId}/ack`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-wardwatch-request': 'demo' },
      body: JSON.stringify({ by: WHO, note: 'at the bedside' }),
    });
    if (!answer.ok) throw new CommandError(`the acknowledgement was refused: ${await answer.text()}`);
    treat();
  };
}

/** What the scripted patient's doctors saw, in its order: `raised, reminder, escalated, acknowledged, resolved`. */
export function storyOf(follower) {
  const parts = [];
  const note = (at, what) => parts.push({ at, what });
  const own = new Set();
  for (const event of follower.events.values()) {
    if (event.patient?.id === SCRIPTED_PATIENT_ID) own.add(event.episodeId);
    if (event.kind === 'acknowledged' && event.patientId === SCRIPTED_PATIENT_ID) note(event.at, 'acknowledged');
  }
  for (const { record, accepted } of follower.notifications.values())
    if (own.has(record.episodeId) && accepted[0])
      note(new Date(accepted[0].atMs).toISOString(), record.kind === 'escalated' ? 'escalation' : record.kind);
  return parts.sort((a, b) => (a.at < b.at ? -1 : 1)).map(({ what }) => what);
}
