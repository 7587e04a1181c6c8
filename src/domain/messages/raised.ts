// An alert begins.
import { type EventTemplate, severityTag, wrong } from './template.js';

export const raised: EventTemplate = {
  tag: severityTag,
  headline: ({ direction }) => (direction === 'unclassified' ? 'unclassified' : 'alert'),
  opening: (event, name) =>
    `${severityTag(event)} ALERT: ${wrong(event, name)}.${
      event.direction === 'unclassified' ? ' Look at the patient; nothing here says that the value is normal.' : ''
    }`,
};
