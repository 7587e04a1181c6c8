-- Views over tables.sql under the names of the original system, with instants as TIMESTAMP.
--
-- Hive 2 shows a TIMESTAMP made from a number in the zone of its JVM, Hive 3.1 and newer in UTC: run Hive 2 with
-- -Duser.timezone=UTC. DECIMAL keeps every microsecond; a division of BIGINT would make a DOUBLE.

CREATE VIEW IF NOT EXISTS patients_vital_info AS
SELECT row_id AS id, patient_id AS customerid, heart_beat AS heartbeat, bp, body_temperature AS bodytemperature, spo2,
  respiratory_rate AS respiratoryrate, CAST(CAST(recorded_at AS DECIMAL(20, 0)) / 1000000 AS TIMESTAMP) AS recorded_at,
  dt, hr
FROM vital_info;

-- Each import that found a change wrote the whole table: the newest version is the one with the greatest imported_at.
CREATE VIEW IF NOT EXISTS patients_information AS
SELECT patient_id AS patientid, name AS patientname, address AS patientaddress, phone AS phone_number,
  ward AS admitted_ward, age, other_details
FROM patient WHERE NOT deleted AND imported_at IN (SELECT MAX(imported_at) FROM patient);

CREATE VIEW IF NOT EXISTS threshold_reference_table AS
SELECT attribute, low_age AS low_age_limit, high_age AS high_age_limit, low_value, high_value,
  CASE WHEN alert THEN 1 ELSE 0 END AS alert_flag, message AS alert_message, severity, unit
FROM threshold WHERE NOT deleted AND imported_at IN (SELECT MAX(imported_at) FROM threshold);

-- Who was out of range, and whom it concerns, as the original's join did: the alerts of a day with the patients of today.
CREATE VIEW IF NOT EXISTS doctors_queue AS
SELECT p.patientname, p.age, p.patientaddress, p.phone_number, p.admitted_ward, a.attribute, a.value, a.kind, a.severity,
  CAST(CAST(a.measured_at AS DECIMAL(20, 0)) / 1000000 AS TIMESTAMP) AS input_message_time,
  CAST(CAST(a.at AS DECIMAL(20, 0)) / 1000000 AS TIMESTAMP) AS alert_generated_time, a.message AS alert_message, a.dt, a.hr
FROM alert a LEFT JOIN patients_information p ON p.patientid = a.patient_id
WHERE a.episode_id IS NOT NULL;
