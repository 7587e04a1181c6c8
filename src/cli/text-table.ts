// Rows and columns for a terminal.

/** Columns as wide as their widest cell; control characters are shown, not obeyed. */
export function renderColumns(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heads, ...rows].map((row) => row.map(printable));
  const widths = heads.map((_head, i) => Math.max(...lines.map((line) => (line[i] ?? '').length)));
  const render = (line: readonly string[]) =>
    line
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  const [head = [], ...body] = lines;
  return [render(head), widths.map((width) => '─'.repeat(width)).join('  '), ...body.map(render)].join('\n');
}

function printable(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replaceAll('\\"', '"')
    .replace(/[\u007f-\u009f\u2028\u2029]/g, '�');
}
