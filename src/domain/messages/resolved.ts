// An alert ends.
import type { EventTemplate } from './template.js';

export const resolved: EventTemplate = {
  tag: () => 'RESOLVED',
  headline: () => 'resolved',
  opening: (_event, name) => `RESOLVED: ${name} is back to normal. This ends the alert with the reference below.`,
};
