// The ward simulator: every patient's readings each second, over several connections, in transactions that overlap and now and then roll back.
import { CommandError } from '../command-error.mjs';
import { SCRIPTED_PATIENT_ID } from './ward.mjs';

/** One for 25 patients, 8 at least: held transactions must not hold up the ward. */
const CONNECTIONS = { least: 8, patientsEach: 25 };
const READING_EVERY_MS = 1_000;
const TICK_MS = 20;
const ROLLBACK_SHARE = 0.03;
const HELD_SHARE = 0.15;
const HELD_MAX_MS = 300;
const ROWS_PER_TRANSACTION_MAX = 5;
/** Of a gateway that collects what its devices send. */
const GATEWAY_ROWS_MAX = 50;
const EXCURSION_READINGS = { low: 2, high: 6 };
/** The patient recovers by themselves, or soon after somebody has come. */
const SCRIPT = { beginsAfterMs: 5_000, lastsMs: 40_000, recoversAfterMs: 3_000 };
/** What waits for a connection at most; beyond it devices are not read, as in life. */
const WAITING_MAX = 2_000;
/** Commit times kept for the latency figures. */
const COMMITS_KEPT = 500_000;

/** How many connections a ward of that size needs. */
export function connectionsFor(patients) {
  return Math.max(CONNECTIONS.least, Math.ceil(patients / CONNECTIONS.patientsEach));
}

/** What hospitals' programs do to a table beside plain inserts. */
const STORM = { bulk: 0.1, select: 0.05, savepoint: 0.1, heldLong: 0.01, heldLongMs: 1_500 };
const GATEWAY = { bulk: 1, select: 0, savepoint: 0, heldLong: 0, heldLongMs: 0 };
const CALM = { bulk: 0, select: 0, savepoint: 0, heldLong: 0, heldLongMs: 0 };
const CONNECT_AGAIN_MS = 500;

/**
 * `pool` is mysql2's promise pool with enough connections (connectionsFor); `patients` carry `signs` (ward.mjs).
 * `storm`: bulk inserts, INSERT … SELECT, savepoints and longer transactions too. `onBroken` is told of a connection that broke, and another is
 * opened; without it the ward fails.
 * `gateway`: many rows in one statement and transaction, so that the database is not what is measured.
 * `start()` begins; `stop()` ends after open transactions have ended, and answers the counts.
 */
export function createSimulator({
  pool,
  patients,
  attributes,
  random,
  nowMs,
  excursionShare,
  storm,
  gateway,
  onBroken,
}) {
  const waiting = [];
  const committedAtMs = new Map();
  const counts = { committedRows: 0, commits: 0, rolledBackRows: 0, rollbacks: 0, notRead: 0 };
  const excursions = new Map();
  const shares = gateway ? GATEWAY : storm ? STORM : CALM;
  const rowsMost = gateway ? GATEWAY_ROWS_MAX : ROWS_PER_TRANSACTION_MAX;
  const columns = ['customerId', ...attributes.map((attribute) => attribute.column), 'recorded_at'];
  const into = `INSERT INTO patients_vital_info (${columns.join(', ')})`;
  const asSelect = `SELECT ${columns.map(() => '?').join(', ')}`;
  let running = false;
  let timer;
  let startedMs = 0;
  let treatedMs = Number.POSITIVE_INFINITY;
  let given = 0;
  let workers = [];

  const shown = (patient, attribute, elapsedMs) => {
    const sign = patient.signs[attribute];
    if (!sign) return null;
    const middle = (sign.low + sign.high) / 2;
    const normal = round(middle + (random.next() - 0.5) * (sign.high - sign.low) * 0.6, sign.decimals);
    if (patient.patientid === SCRIPTED_PATIENT_ID)
      return attribute === attributes[0].name ? scripted(sign, normal, elapsedMs) : normal;
    const excursion = excursions.get(patient.patientid);
    return excursion?.attribute === attribute ? (sign[excursion.side] ?? normal) : normal;
  };

  const scripted = (sign, normal, elapsedMs) => {
    const into = elapsedMs - SCRIPT.beginsAfterMs;
    const recovered = startedMs + elapsedMs > treatedMs + SCRIPT.recoversAfterMs;
    if (into < 0 || into > SCRIPT.lastsMs || recovered) return normal;
    return sign.tooHigh ?? sign.tooLow ?? normal;
  };

  const moveExcursion = (patient) => {
    const current = excursions.get(patient.patientid);
    if (current) {
      current.left -= 1;
      if (current.left <= 0) excursions.delete(patient.patientid);
    } else if (random.chance(excursionShare)) {
      excursions.set(patient.patientid, {
        attribute: random.pick(attributes).name,
        side: random.pick(['tooHigh', 'tooLow']),
        left: random.int(EXCURSION_READINGS.low, EXCURSION_READINGS.high),
      });
    }
  };

  /** Spreads the ward over each second: patient i is read at its own phase. */
  const tick = () => {
    const elapsedMs = nowMs() - startedMs;
    const due = Math.floor((elapsedMs / READING_EVERY_MS) * patients.length);
    for (; given < due; given += 1) {
      const patient = patients[given % patients.length];
      if (waiting.length >= WAITING_MAX) {
        counts.notRead += 1;
        continue;
      }
      moveExcursion(patient);
      waiting.push([
        patient.patientid,
        ...attributes.map((attribute) => shown(patient, attribute.name, elapsedMs)),
        mysqlTime(nowMs()),
      ]);
    }
  };

  const work = async () => {
    while (running) {
      let connection;
      try {
        connection = await pool.getConnection();
        while (running) {
          const rows = waiting.splice(0, random.int(1, rowsMost));
          if (rows.length === 0) await pause(TICK_MS / 2);
          else await transaction(connection, rows);
        }
        connection.release();
      } catch (error) {
        connection?.destroy();
        if (!onBroken) throw error;
        onBroken(error);
        await pause(CONNECT_AGAIN_MS);
      }
    }
  };

  /** Answers the ids of the rows; one statement for all of them, or one for each. */
  const insertRows = async (connection, rows) => {
    if (random.chance(shares.bulk)) {
      const [{ insertId }] = await connection.query(`${into} VALUES ?`, [rows]);
      return rows.map((_row, i) => String(insertId + i));
    }
    const ids = [];
    for (const row of rows) {
      // INSERT … SELECT takes its ids otherwise, and may leave some that nobody ever uses.
      const [{ insertId }] = random.chance(shares.select)
        ? await connection.query(`${into} ${asSelect}`, row)
        : await connection.query(`${into} VALUES ?`, [[row]]);
      ids.push(String(insertId));
      if (random.chance(HELD_SHARE)) await pause(random.int(1, HELD_MAX_MS));
    }
    return ids;
  };

  const transaction = async (connection, rows) => {
    await connection.query('START TRANSACTION');
    if (random.chance(shares.savepoint)) {
      // What this undoes is written again: the devices' readings do not get lost.
      await connection.query('SAVEPOINT half');
      await insertRows(connection, rows);
      await connection.query('ROLLBACK TO half');
    }
    const ids = await insertRows(connection, rows);
    if (random.chance(shares.heldLong)) await pause(shares.heldLongMs);
    if (random.chance(ROLLBACK_SHARE)) {
      await connection.query('ROLLBACK');
      counts.rollbacks += 1;
      counts.rolledBackRows += rows.length;
      return;
    }
    const atMs = nowMs();
    await connection.query('COMMIT');
    counts.commits += 1;
    counts.committedRows += rows.length;
    for (const id of ids) committedAtMs.set(id, atMs);
    for (const id of committedAtMs.keys()) {
      if (committedAtMs.size <= COMMITS_KEPT) break;
      committedAtMs.delete(id);
    }
  };

  const failed = (error) => {
    throw new CommandError(`the ward can no longer write to the database: ${error.message}`);
  };

  return {
    counts,
    /** When the COMMIT of the row with this id was sent, ms; undefined where it was never committed or is too long ago. */
    committedAtMs: (rowId) => committedAtMs.get(rowId),
    /** Somebody is at the scripted patient's bed. */
    treat: () => {
      treatedMs = nowMs();
    },
    /** Rejects when a connection fails: a demo that can't insert has nothing to show. */
    start: () => {
      running = true;
      startedMs = nowMs();
      timer = setInterval(tick, TICK_MS);
      workers = Array.from({ length: connectionsFor(patients.length) }, work);
      return Promise.all(workers).then(() => undefined, failed);
    },
    stop: async () => {
      running = false;
      clearInterval(timer);
      await Promise.allSettled(workers);
      return counts;
    },
  };
}

function round(value, decimals) {
  return Number(value.toFixed(decimals));
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** DATETIME(6) in UTC. */
function mysqlTime(ms) {
  return new Date(ms).toISOString().replace('T', ' ').replace('Z', '000');
}
