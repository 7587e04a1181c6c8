// An open alert has become more severe.
import { type EventTemplate, severityTag } from './template.js';

export const worsened: EventTemplate = {
  tag: severityTag,
  headline: () => 'worsened',
  opening: (event, name) => `${severityTag(event)} ALERT: ${name} has become worse.`,
};
