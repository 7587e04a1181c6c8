// Alerts of old data are not told one by one; those that are still open are told once.
import { commonWard, listBody, mostSevere, severityCounts } from './alert-list.js';
import type { ListedAlert, MessageOptions } from './content.js';
import { plainSubject, wardName } from './subject.js';

export function summary(alerts: readonly ListedAlert[]) {
  const first = `SUMMARY: ${alerts.length} alerts (${severityCounts(alerts)}) that began in data which came late, and are still open. You were not told when they began.`;
  return {
    subject: plainSubject(
      mostSevere(alerts).toUpperCase(),
      `summary of ${alerts.length} open alerts (${severityCounts(alerts)}), ward ${wardName(commonWard(alerts))}`,
    ),
    body: (options: MessageOptions) => listBody([first], alerts, options),
  };
}
