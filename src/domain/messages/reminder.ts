// An alert is still open, and nobody has acknowledged it.
import { type EventTemplate, severityTag, wrong } from './template.js';

export const reminder: EventTemplate = {
  tag: severityTag,
  headline: () => 'reminder',
  opening: (event, name) =>
    `REMINDER, ${severityTag(event)} ALERT: ${wrong(event, name)}, and nobody has acknowledged it. Below is its newest event.`,
};
