// Too many alerts at once for a message each: one for all that came within a few seconds.
import { commonWard, listBody, mostSevere, severityCounts } from './alert-list.js';
import type { ListedAlert, MessageOptions } from './content.js';
import { plainSubject, wardName } from './subject.js';

export function digest(alerts: readonly ListedAlert[]) {
  const first = `DIGEST: ${alerts.length} notifications (${severityCounts(alerts)}), the most severe first. There were too many for a message each; each of them is told here and nowhere else.`;
  return {
    subject: plainSubject(
      mostSevere(alerts).toUpperCase(),
      `digest of ${alerts.length} notifications (${severityCounts(alerts)}), ward ${wardName(commonWard(alerts))}`,
    ),
    body: (options: MessageOptions) => listBody([first], alerts, options),
  };
}
