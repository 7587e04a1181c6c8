// The source tables as SQL: for the demo, tests, and who starts from nothing. A hospital has its own, and wardwatch only reads them.
import {
  DEFAULT_PATIENTS,
  DEFAULT_THRESHOLDS,
  DEFAULT_VITALS,
  type PatientsMapping,
  type ThresholdsMapping,
  type VitalsMapping,
} from './mapping.js';

export interface SourceTablesMapping {
  readonly vitals: VitalsMapping;
  readonly patients: PatientsMapping;
  readonly thresholds: ThresholdsMapping;
}

const DEFAULTS: SourceTablesMapping = {
  vitals: DEFAULT_VITALS,
  patients: DEFAULT_PATIENTS,
  thresholds: DEFAULT_THRESHOLDS,
};

/** One CREATE TABLE IF NOT EXISTS for each of the three tables, under the names of the mapping. */
export function sourceTablesSql(mapping: SourceTablesMapping = DEFAULTS): readonly string[] {
  const { vitals, patients, thresholds } = mapping;
  return [
    create(vitals.table, [
      `${id(vitals.key)} BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY`,
      `${id(vitals.patientId)} VARCHAR(64) NULL`,
      ...named(vitals.recordedAt, 'DATETIME(6) NULL'),
      ...vitals.attributes.map(({ column }) => `${id(column)} DECIMAL(10,3) NULL`),
    ]),
    create(patients.table, [
      `${id(patients.id)} VARCHAR(64) NOT NULL PRIMARY KEY`,
      ...named(patients.name, 'VARCHAR(300) NULL'),
      ...named(patients.address, 'VARCHAR(500) NULL'),
      ...named(patients.phone, 'VARCHAR(64) NULL'),
      ...named(patients.ward, 'VARCHAR(64) NULL'),
      ...named(patients.age, 'INT NULL'),
      ...named(patients.dateOfBirth, 'DATE NULL'),
      ...named(patients.otherDetails, 'TEXT NULL'),
    ]),
    ...(thresholds.table === null
      ? []
      : [
          create(thresholds.table, [
            `${id(thresholds.attribute)} VARCHAR(64) NOT NULL`,
            `${id(thresholds.lowAge)} INT NOT NULL`,
            `${id(thresholds.highAge)} INT NOT NULL`,
            `${id(thresholds.lowValue)} DECIMAL(10,3) NOT NULL`,
            `${id(thresholds.highValue)} DECIMAL(10,3) NOT NULL`,
            `${id(thresholds.alertFlag)} TINYINT NOT NULL`,
            `${id(thresholds.alertMessage)} VARCHAR(300) NOT NULL`,
            ...named(thresholds.severity, 'VARCHAR(16) NULL'),
            ...named(thresholds.unit, 'VARCHAR(32) NULL'),
          ]),
        ]),
  ];
}

function named(column: string | null, type: string): string[] {
  return column === null ? [] : [`${id(column)} ${type}`];
}

function create(table: string, columns: readonly string[]): string {
  const name = table.split('.').map(id).join('.');
  return `CREATE TABLE IF NOT EXISTS ${name} (\n  ${columns.join(',\n  ')}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;
}

function id(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}
