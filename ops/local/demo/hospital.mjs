// Sets up the demo's hospital in RDS: database, least-privileged user, tables, patients, limits.
import { connectionsFor } from './simulator.mjs';
import { makePatients, normalFor } from './ward.mjs';

/** Beside the ward's: for counting. */
const OTHER_CONNECTIONS = 2;
const USER_NAME_MAX = 32;
const NAME = /^wardwatch_demo_[a-z0-9_]+$/;

/**
 * `rdsUrl` may create databases and users. Answers {pool, patients, attributes, decimalsOf, readerUrl, end(drop)}:
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
  if (!NAME.test(name)) throw new Error(`the demo's database must begin with wardwatch_demo_: ${name}`);
  const user = name.slice(0, USER_NAME_MAX);
  const root = await mysql.createConnection({ uri: rdsUrl, multipleStatements: true });
  await root.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  await root.query(`USE ${name}`);
  const attributes = knownAttributes.filter((attribute) => thresholds.some((row) => row.attribute === attribute.name));
  for (const statement of tablesFor(attributes)) await root.query(statement);
  await root.query(`CREATE USER '${user}'@'%' IDENTIFIED BY '${password}'`);
  await root.query(`GRANT SELECT ON ${name}.* TO '${user}'@'%'; GRANT PROCESS ON *.* TO '${user}'@'%'`);
  const decimalsOf = (attribute) => attributes.find((one) => one.name === attribute)?.decimals ?? 0;
  const patients = makePatients(random, patientCount).map((patient) => ({
    ...patient,
    signs: normalFor(patient.age, thresholds, decimalsOf),
  }));
  await root.query(
    'INSERT INTO patients_information (patientid, patientname, patientaddress, phone_number, admitted_ward, age, other_details) VALUES ?',
    [
      patients.map((p) => [
        p.patientid,
        p.patientname,
        p.patientaddress,
        p.phone_number,
        p.admitted_ward,
        p.age,
        p.other_details,
      ]),
    ],
  );
  await root.query(
    'INSERT INTO Threshold_Reference_table (attribute, low_age_limit, high_age_limit, low_value, high_value, alert_flag, alert_message, severity) VALUES ?',
    [
      thresholds.map((t) => [
        t.attribute,
        t.lowAge,
        t.highAge,
        t.lowValue,
        t.highValue,
        t.alert ? 1 : 0,
        t.message,
        t.severity,
      ]),
    ],
  );
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
    /** `drop`: on a server that outlives the demo. */
    end: async (drop) => {
      await pool.end();
      if (drop) await root.query(`DROP DATABASE IF EXISTS ${name}; DROP USER IF EXISTS '${user}'@'%'`);
      await root.end();
    },
  };
}

function withDatabase(url, name) {
  const own = new URL(url);
  own.pathname = `/${name}`;
  return own.href;
}
