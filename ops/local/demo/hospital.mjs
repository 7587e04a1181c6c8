// Sets up the demo's hospital in RDS: database, least-privileged user, tables, patients, limits.
import { userOf, wardName } from './names.mjs';
import { connectionsFor } from './simulator.mjs';
import { makePatients, normalFor } from './ward.mjs';

/** Beside the ward's: for counting. */
const OTHER_CONNECTIONS = 2;

/**
 * `rdsUrl` may create databases and users. Answers {pool, patients, attributes, decimalsOf, readerUrl, end()}:
 * `readerUrl` is what wardwatch gets: SELECT on this database and PROCESS, nothing else.
 */
export async function setUpHospital({
  mysql,
  rdsUrl,
  name,
  password,
  tablesFor,
  thresholds,
  knownAttributes,
  patientCount,
  random,
}) {
  wardName(name);
  const user = userOf(name);
  const attributes = knownAttributes.filter((attribute) => thresholds.some((row) => row.attribute === attribute.name));
  const decimalsOf = (attribute) => attributes.find((one) => one.name === attribute)?.decimals ?? 0;
  const patients = makePatients(random, patientCount).map((patient) => ({
    ...patient,
    signs: normalFor(patient.age, thresholds, decimalsOf),
  }));
  const root = await mysql.createConnection({ uri: rdsUrl, multipleStatements: true });
  try {
    await root.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
    await root.query(`USE ${name}`);
    for (const statement of tablesFor(attributes)) await root.query(statement);
    await root.query(`CREATE USER '${user}'@'%' IDENTIFIED BY '${password}'`);
    await root.query(`GRANT SELECT ON ${name}.* TO '${user}'@'%'; GRANT PROCESS ON *.* TO '${user}'@'%'`);
    await insertPatients(root, patients);
    await insertLimits(root, thresholds);
  } finally {
    root.destroy();
  }
  const pool = mysql.createPool({
    uri: withDatabase(rdsUrl, name),
    connectionLimit: connectionsFor(patientCount) + OTHER_CONNECTIONS,
    timezone: 'Z',
  });
  const reader = new URL(withDatabase(rdsUrl, name));
  reader.username = user;
  reader.password = password;
  return {
    pool,
    patients,
    attributes,
    decimalsOf,
    readerUrl: reader.href,
    end: () => pool.end(),
  };
}

function withDatabase(url, name) {
  const own = new URL(url);
  own.pathname = `/${name}`;
  return own.href;
}

async function insertPatients(root, patients) {
  const columns = [
    'patientid',
    'patientname',
    'patientaddress',
    'phone_number',
    'admitted_ward',
    'age',
    'other_details',
  ];
  const rows = patients.map((patient) => columns.map((column) => patient[column]));
  await root.query(`INSERT INTO patients_information (${columns.join(', ')}) VALUES ?`, [rows]);
}

async function insertLimits(root, thresholds) {
  await root.query(
    'INSERT INTO Threshold_Reference_table (attribute, low_age_limit, high_age_limit, low_value, high_value, alert_flag, alert_message, severity) VALUES ?',
    [
      thresholds.map((t) => [
        t.attribute,
        t.lowAge,
        t.highAge,
        t.lowValue,
        t.highValue,
        Number(t.alert),
        t.message,
        t.severity,
      ]),
    ],
  );
}
