// The live view on a terminal: redrawn in place each second, on the terminal's second screen.

const ENTER = '\u001b[?1049h\u001b[?25l\u001b[H\u001b[2J';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
const USUAL_COLUMNS = 80;
const USUAL_ROWS = 24;
const CUT = '  … a taller window shows the rest';
const NOT_SEEN_YET = 'none yet: the scripted patient deteriorates 5 s after the start';

/** Draws on `stream`, a terminal. What was there comes back with leave(), which the end of the process calls too. */
export function createScreen(stream) {
  let entered = false;
  const leave = () => {
    if (entered) stream.write(LEAVE);
    entered = false;
  };
  process.once('exit', leave);
  return {
    draw: (state) => {
      const size = { columns: stream.columns || USUAL_COLUMNS, rows: stream.rows || USUAL_ROWS };
      // A line that ends at the edge leaves the cursor on its last character, which must not be cleared.
      const text = frame(state, size)
        .map((line) => (line !== '' && line.length % size.columns === 0 ? line : `${line}${CLEAR_LINE}`))
        .join('\r\n');
      // One write, and no blank screen in between: nothing flickers.
      stream.write(`${entered ? '' : ENTER}${HOME}${text}${CLEAR_BELOW}`);
      entered = true;
    },
    leave,
  };
}

/**
 * One frame as lines that fit on the screen together; the e-mail, the longest part, is last. Long lines are left to the
 * terminal to wrap: a command copied from there is whole.
 */
export function frame(state, { columns, rows }) {
  const { seconds, rates, rows: total, alerts, latencyP50Ms, email, addresses, next } = state;
  const latency = latencyP50Ms === null ? '' : `, half of them within ${latencyP50Ms} ms`;
  const metrics = addresses.metrics.map(({ name, port }) => `${name} ${port}`).join(', ');
  const top = [
    `wardwatch demo, ${seconds} s   (Ctrl-C: stop the ward, drain and sum up)`,
    '',
    `rows per second   RDS ${rates.rds}, Kafka ${rates.kafka}, lake ${rates.lake}`,
    `rows so far       RDS ${total.rds}, Kafka ${total.kafka}, lake ${total.lake}`,
    `alerts            ${alerts.raised} raised, ${alerts.resolved} resolved`,
    `e-mails           ${alerts.accepted} accepted by SNS${latency}`,
    `Bull Board        ${addresses.console ?? 'not there yet'}`,
    `metrics           http://127.0.0.1:PORT/metrics, PORT of ${metrics}`,
    '',
    'Try in another terminal',
    ...next.map((command) => `  ${command}`),
    '',
    email ? 'Newest e-mail' : `Newest e-mail     ${NOT_SEEN_YET}`,
  ];
  const mail = email
    ? [email.subject, '', ...email.body.trimEnd().split('\n')].map((line) => `  ${line}`.trimEnd())
    : [];
  const height = (lines) => lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
  const all = [...top, ...mail];
  if (height(all) <= rows) return all;
  const shown = [];
  for (const line of all) {
    if (height([...shown, line, CUT]) > rows) break;
    shown.push(line);
  }
  return [...shown, CUT];
}
