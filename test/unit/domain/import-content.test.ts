// What becomes a version and what is refused: limits and patients from RDS and from files, and versions as functions of content.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  contentOfPatients,
  contentOfPatientsFile,
  contentOfThresholds,
  contentOfThresholdsFile,
} from '../../../src/domain/import-content.js';
import { thresholdOfRow } from '../../../src/domain/import-threshold-row.js';
import {
  diffEntries,
  entriesOfThresholds,
  entryOfPatient,
  patientOfEntry,
  thresholdOfEntry,
  versionOf,
} from '../../../src/domain/import-version.js';
import { DEFAULT_THRESHOLDS } from '../../../src/domain/mapping.js';
import type { Patient } from '../../../src/domain/patient.js';

const patient = (id: string, over: Partial<Patient> = {}): Patient => ({
  id,
  name: 'N',
  address: null,
  phone: '',
  ward: '4B',
  age: 40,
  otherDetails: null,
  ...over,
});
const limits = (over: Record<string, unknown> = {}) => ({
  attribute: 'heartBeat',
  low_age_limit: 0,
  high_age_limit: 40,
  low_value: '60.5',
  high_value: 80,
  alert_flag: 0,
  alert_message: 'Normal',
  ...over,
});
const HEAD = 'attribute,low_age_limit,high_age_limit,low_value,high_value,alert_flag,alert_message';

describe('versions', () => {
  it('depend on content, not on order, and tell NULL from empty', () => {
    const entries = ['1', '2', '3'].map((id) => entryOfPatient(patient(id)));
    const version = versionOf('patients', entries);
    expect(version.version).toMatch(/^[a-z2-7]{26}$/);
    expect(version.rows).toBe(3);
    expect(versionOf('patients', [...entries].reverse())).toEqual(version);
    for (const over of [{ phone: null }, { age: null }, { age: 41 }, { name: 'n' }, { otherDetails: '' }]) {
      const other = versionOf('patients', [...entries.slice(1), entryOfPatient(patient('1', over))]);
      expect(other.version).not.toBe(version.version);
    }
    expect(versionOf('thresholds', entries).version).not.toBe(version.version);
    expect(versionOf('patients', []).rows).toBe(0);
  });

  it('hold all of a row', () => {
    const weird = patient('\u0000\\N', { name: 'a\n"b"', address: '😀', age: null, otherDetails: 'null' });
    expect(patientOfEntry(entryOfPatient(weird))).toEqual(weird);
    const result = thresholdOfRow({ ...DEFAULT_THRESHOLDS, severity: 's', unit: 'u' }, limits({ s: 'low', u: '/min' }));
    if (!result.ok) throw new Error(result.problem);
    const entries = entriesOfThresholds([result.row, result.row]);
    expect(entries.map(thresholdOfEntry)).toEqual([result.row]);
    expect(result.row).toEqual({
      attribute: 'heartBeat',
      lowAge: 0,
      highAge: 40,
      lowValue: 60.5,
      highValue: 80,
      alert: false,
      message: 'Normal',
      severity: 'low',
      unit: '/min',
    });
  });

  it('differ by what was added, changed and deleted', () => {
    const before = ['a', 'b', 'c'].map((id) => entryOfPatient(patient(id)));
    const after = [
      entryOfPatient(patient('b')),
      entryOfPatient(patient('c', { age: 1 })),
      entryOfPatient(patient('d')),
    ];
    expect(diffEntries('patients', before, after)).toEqual({ added: 1, changed: 1, deleted: [before[0]] });
  });
});

describe('limits', () => {
  it.each([
    [{ low_value: null }, /low_value is no number/],
    [{ high_value: 'NaN' }, /high_value is no number/],
    [{ low_age_limit: '' }, /low_age_limit is no number/],
    [{ alert_flag: 2 }, /alert_flag is neither 0 nor 1/],
    [{ alert_flag: null }, /alert_flag/],
    [{ attribute: ' ' }, /attribute is empty/],
  ])('are broken by %j', (over, problem) => {
    const result = thresholdOfRow(DEFAULT_THRESHOLDS, limits(over));
    expect(result.ok ? '' : result.problem).toMatch(problem);
  });

  it('take the flag as number, text, boolean or bit', () => {
    const flag = (alert_flag: unknown) => {
      const result = thresholdOfRow(DEFAULT_THRESHOLDS, limits({ alert_flag }));
      return result.ok && result.row.alert;
    };
    expect([1, '1', true, ' TRUE ', Buffer.from([1])].map(flag)).toEqual([true, true, true, true, true]);
    expect([0, '0', false, Buffer.from([0])].map(flag)).toEqual([false, false, false, false]);
  });

  it('are refused whole, with reasons: unreadable rows first, then what makes no sense', () => {
    const row = (low: number, high: number, alert: boolean) => {
      const result = thresholdOfRow(
        DEFAULT_THRESHOLDS,
        limits({ low_value: low, high_value: high, alert_flag: alert }),
      );
      if (!result.ok) throw new Error(result.problem);
      return result.row;
    };
    const good = [row(0, 59, true), row(60, 80, false), row(81, 9999, true)];
    expect(contentOfThresholds({ rows: good, problems: [] }, {}).problems).toEqual([]);
    expect(contentOfThresholds({ rows: good, problems: ['row 4: x'] }, {}).problems).toEqual(['row 4: x']);
    expect(contentOfThresholds({ rows: [...good, row(90, 70, true)], problems: [] }, {}).problems.join()).toMatch(
      /upside down/,
    );
    expect(contentOfThresholds({ rows: [], problems: [] }, {}).problems.join()).toMatch(/no rows/);
    // A gap fails towards alarming: said, not refused.
    const gap = contentOfThresholds({ rows: good.slice(0, 2), problems: [] }, {});
    expect(gap.problems).toEqual([]);
    expect(gap.warnings.join()).toMatch(/no limits for/);
  });
});

describe('files', () => {
  it.each(['seed', 'news2'])('ships limits (%s) that are accepted, the same in CSV and SQL', (name) => {
    const csv = readFileSync(`ops/sql/thresholds-${name}.csv`);
    const content = contentOfThresholdsFile(csv, {});
    expect(content.problems).toEqual([]);
    expect(content.entries.length).toBe(name === 'seed' ? 12 : 25);
    const sqlRows = [...readFileSync(`ops/sql/thresholds-${name}.sql`, 'utf8').matchAll(/^ {2}\((.*)\)[,;]$/gm)]
      .map((match) => (match[1] as string).replace(/', '|, '|', |, /g, ',').replace(/^'|'$/g, ''))
      .filter((line) => !line.startsWith('attribute'))
      .map((line) => line.replace('NULL', ''));
    expect(sqlRows).toEqual(csv.toString('utf8').trim().split('\r\n').slice(1));
  });

  it('ships limits whose bands lie where their publishers put them', () => {
    const judge = (name: string, attribute: string, age: number, value: number) =>
      contentOfThresholdsFile(readFileSync(`ops/sql/thresholds-${name}.csv`), {})
        .entries.map(thresholdOfEntry)
        .filter((r) => r.attribute === attribute && r.lowAge <= age && age <= r.highAge)
        .filter((r) => r.lowValue <= value && value <= r.highValue)
        .map((r) => (r.alert ? r.severity : 'normal'));
    expect(judge('seed', 'heartBeat', 40, 78)).toEqual(['normal']);
    expect(judge('seed', 'heartBeat', 41, 78)).toEqual(['high']);
    expect(judge('seed', 'bp', 41, 150)).toEqual(['high']);
    expect(judge('news2', 'spo2', 70, 93)).toEqual(['medium']);
    expect(judge('news2', 'bodyTemperature', 16, 35)).toEqual(['high']);
    expect(judge('news2', 'respiratoryRate', 16, 24)).toEqual(['medium']);
    expect(judge('news2', 'heartBeat', 16, 91)).toEqual(['low']);
    expect(judge('news2', 'bp', 15, 50)).toEqual([]);
  });

  it('name the lines of limits that are wrong', () => {
    const text = `${HEAD}\nheartBeat,0,40,0,x,1,Low\nheartBeat,0,40,60,80,0,Normal\nheartBeat,0,40,81,99,maybe,High\n`;
    expect(contentOfThresholdsFile(Buffer.from(text), {}).problems).toEqual([
      'line 2: high_value is no number',
      'line 4: alert_flag is neither 0 nor 1',
    ]);
    expect(contentOfThresholdsFile(Buffer.from('attribute,ages\n'), {}).problems.join()).toMatch(
      /line 1: header 2 is unknown/,
    );
  });

  it('of patients are strict about ids and ages', () => {
    const head = 'patientid,patientname,patientaddress,phone_number,admitted_ward,age';
    const text = `${head}\n1,"Zoë ""Z"" X",,,4B,30\n2,,,,,\n1,A,,,,\n,B,,,,\n3,C,,,,old\n`;
    const content = contentOfPatientsFile(Buffer.from(text));
    expect(content.problems).toEqual([
      'line 4: the patientid of line 2 again',
      'line 5: patientid is empty',
      'line 6: age is no number of years (leave it empty where it is unknown)',
    ]);
    const good = contentOfPatientsFile(Buffer.from(`${head}\n2,,,,,\n1,"Zoë ""Z"" X",,"",4B,30\n`));
    expect(good.entries.map(patientOfEntry)).toEqual([
      { id: '1', name: 'Zoë "Z" X', address: null, phone: '', ward: '4B', age: 30, otherDetails: null },
      { id: '2', name: null, address: null, phone: null, ward: null, age: null, otherDetails: null },
    ]);
  });

  it('of patients may have dates of birth, and a table without any keeps its version', () => {
    const head = 'patientid,patientname,patientaddress,phone_number,admitted_ward,age,date_of_birth';
    const content = contentOfPatientsFile(Buffer.from(`${head}\n1,,,,,,1961-04-23\n2,,,,,9,\n3,,,,,,23.4.61\n`));
    expect(content.problems).toEqual([
      'line 4: date_of_birth is no date like 1961-04-23 (leave it empty where it is unknown)',
    ]);
    const [one, two] = content.entries;
    expect(one && patientOfEntry(one)).toMatchObject({ id: '1', age: null, dateOfBirth: '1961-04-23' });
    expect(two?.json).toBe('[null,null,null,null,9,null]');
  });

  it('from RDS are forgiven, and said', () => {
    const content = contentOfPatients({ patients: [patient('b'), patient('a')], duplicates: 2, withoutId: 1 });
    expect(content.entries.map((entry) => entry.key)).toEqual(['a', 'b']);
    expect(content.problems).toEqual([]);
    expect(content.warnings.length).toBe(2);
  });
});
