// Row commit to visible for whoever reads the lake's folder: poll and archive run, a reader looks for new files and asks each row's age.
import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parquetReadObjects } from 'hyparquet';

const CONNECTIONS = 8;
/** A device's transaction. */
const ROWS_PER_TRANSACTION = 5;
const TICK_MS = 20;
const LOOK_EVERY_MS = 100;
const READY_WITHIN_MS = 60_000;
const DRAIN_MS = 8_000;
const PATIENTS = 200;
/** Not counted: connecting, first pages. */
const WARM_UP_MS = 5_000;

/** Answers {rows, rowsPerSecond, p50, p95, p99 (seconds), filesPerMinute}. */
export async function measureVisible({ pool, env, main, lakeFolder, rowsPerSecond, forMs }) {
  const worker = spawn(process.execPath, [main, 'worker', '--roles', 'poll,archive'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = new Promise((resolve) => worker.once('exit', resolve));
  try {
    await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('poll,archive is not ready')), READY_WITHIN_MS);
      createInterface({ input: worker.stdout }).on('line', (line) => {
        if (!line.includes('"worker.ready"')) return;
        clearTimeout(late);
        resolve();
      });
    });
    const startMs = Date.now();
    const ages = [];
    let files = 0;
    const reader = watchFolder(join(lakeFolder, 'vital_info'), startMs + forMs + DRAIN_MS, async (file, seenMs) => {
      if (seenMs < startMs + WARM_UP_MS || seenMs > startMs + forMs) return;
      files += 1;
      for (const row of await parquetReadObjects({ file, columns: ['recorded_at'] }))
        ages.push((seenMs - row.recorded_at.getTime()) / 1_000);
    });
    const written = await insertFor(pool, rowsPerSecond, startMs + forMs);
    await reader;
    ages.sort((a, b) => a - b);
    const at = (share) => Number(ages[Math.min(ages.length - 1, Math.floor(ages.length * share))].toFixed(2));
    return {
      rows: ages.length,
      rowsPerSecond: Math.round(written / (forMs / 1_000)),
      p50: at(0.5),
      p95: at(0.95),
      p99: at(0.99),
      filesPerMinute: Math.round(files / ((forMs - WARM_UP_MS) / 60_000)),
    };
  } finally {
    worker.kill('SIGTERM');
    await gone;
  }
}

/** Inserts at an even pace until `endMs`; each row carries the moment before its COMMIT. Answers how many rows. */
async function insertFor(pool, rowsPerSecond, endMs) {
  const perConnection = rowsPerSecond / CONNECTIONS;
  const startMs = Date.now();
  const one = async (index) => {
    const connection = await pool.getConnection();
    let written = 0;
    try {
      while (Date.now() < endMs) {
        const due = ((Date.now() - startMs) / 1_000) * perConnection - written;
        if (due < ROWS_PER_TRANSACTION) {
          await new Promise((resolve) => setTimeout(resolve, TICK_MS));
          continue;
        }
        const at = new Date().toISOString().replace('T', ' ').replace('Z', '000');
        const rows = Array.from({ length: ROWS_PER_TRANSACTION }, (_, i) => [
          String(((written + i) * CONNECTIONS + index) % PATIENTS),
          70,
          170,
          at,
        ]);
        await connection.query('INSERT INTO patients_vital_info (customerId, heartBeat, bp, recorded_at) VALUES ?', [
          rows,
        ]);
        written += ROWS_PER_TRANSACTION;
      }
    } finally {
      connection.release();
    }
    return written;
  };
  const counts = await Promise.all(Array.from({ length: CONNECTIONS }, (_, i) => one(i)));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Calls back for each Parquet file once, with the moment in which it was first seen. */
async function watchFolder(folder, endMs, onFile) {
  const seen = new Set();
  while (Date.now() < endMs) {
    for (const name of await readdir(folder, { recursive: true }).catch(() => [])) {
      if (!name.endsWith('.parquet') || seen.has(name)) continue;
      seen.add(name);
      const seenMs = Date.now();
      const bytes = await readFile(join(folder, name));
      await onFile(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength), seenMs);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
