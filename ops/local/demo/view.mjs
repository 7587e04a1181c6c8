// The live view on a terminal: redrawn in place each second.

const CLEAR = '\u001b[H\u001b[2J';

/** One frame as text. */
export function frame(state) {
  const { seconds, rates, alerts, email, addresses, next } = state;
  const lines = [
    `wardwatch demo, ${seconds} s   (Ctrl-C: stop, drain and sum up)`,
    '',
    `rows per second   RDS ${rates.rds}   Kafka ${rates.kafka}   lake ${rates.lake}`,
    `alerts            ${alerts.raised} raised, ${alerts.resolved} resolved, ${alerts.accepted} e-mails accepted`,
    '',
    'newest e-mail',
    ...(email ? [`  ${email.subject}`, ...email.body.split('\n').map((line) => `  ${line}`)] : ['  none yet']),
    '',
    `Bull Board        ${addresses.console ?? 'not ready yet'}`,
    ...addresses.metrics.map(({ name, url }) => `metrics ${name.padEnd(10)}${url}`),
    '',
    'Try in another terminal',
    ...next.map((command) => `  ${command}`),
  ];
  return `${CLEAR}${lines.join('\n')}\n`;
}
