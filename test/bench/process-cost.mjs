// What a process cost, from /proc: CPU seconds and peak memory. Linux only; elsewhere null.
import { readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

/** User and system CPU so far, seconds. */
export function cpuSeconds(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return null;
  }
}

/** Peak resident memory, MB. */
export function peakMemoryMb(pid) {
  try {
    const line = readFileSync(`/proc/${pid}/status`, 'utf8')
      .split('\n')
      .find((one) => one.startsWith('VmHWM:'));
    return Math.round(Number(line.replace(/\D+/g, '')) / 1024);
  } catch {
    return null;
  }
}
