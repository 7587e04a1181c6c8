// One and the same alert came and went too often to be told each time.
import { type EventTemplate, severityTag } from './template.js';

export const unstable: EventTemplate = {
  tag: severityTag,
  headline: () => 'unstable',
  opening: (event, name) =>
    `UNSTABLE, ${severityTag(event)} ALERT: ${name} keeps going in and out of its limits. Until it stays inside for a while you are not told of each time, but again if it becomes worse or stays outside.`,
};
