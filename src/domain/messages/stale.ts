// No more readings: of an attribute whose alert is open, or of a patient who is expected to send some.
import { type EventTemplate, severityTag } from './template.js';
import { isAbsence } from './writing.js';

export const stale: EventTemplate = {
  tag: severityTag,
  headline: (event) => (isAbsence(event) ? 'missing' : 'no data'),
  opening: (event, name) =>
    `${severityTag(event)} ALERT: ${
      isAbsence(event)
        ? 'no more readings of this patient, whose ward is expected to send them'
        : `no more readings of ${name}, while its alert is still open`
    }.`,
};
