// Those who were told first have not acknowledged an alert in time: somebody else is told.
import { type EventTemplate, severityTag, wrong } from './template.js';

export const escalated: EventTemplate = {
  tag: severityTag,
  headline: () => 'ESCALATED',
  opening: (event, name) =>
    `ESCALATED TO YOU, ${severityTag(event)} ALERT: ${wrong(event, name)}, and those who were told before have not acknowledged it.`,
};
