// A silence is over, and an alert that it held back is still open.
import { type EventTemplate, severityTag, wrong } from './template.js';

export const silenceEnded: EventTemplate = {
  tag: severityTag,
  headline: () => 'still open after a silence',
  opening: (event, name) =>
    `${severityTag(event)} ALERT: ${wrong(event, name)}. It was silenced; the silence is over, and the alert is still open.`,
};
