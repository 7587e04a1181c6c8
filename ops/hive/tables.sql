-- The lake's tables for Hive 2, Hive 3 and Spark: run with  beeline --hivevar lake=hdfs://…/lake -f tables.sql , then views.sql.
--
-- Instants are UTC microseconds since 1970 as BIGINT: the Parquet files have them as TIMESTAMP_MICROS, which the Parquet SerDe of
-- Hive 2 and 3 can't read as TIMESTAMP (a class cast). views.sql converts them. Athena, Trino, Spark and Hive 4 may say TIMESTAMP.
-- dt and hr are text, in UTC ('2026-11-24', '05'): an INT partition would lose the leading zero of the folder's name.
-- The columns are those of src/lake/columns.ts; a test compares them. A vital sign that is configured later is one more DOUBLE
-- column: ALTER TABLE vital_info ADD COLUMNS (…); Hive finds columns by name, and files without it answer NULL.

CREATE EXTERNAL TABLE IF NOT EXISTS vital_info (
  `source` STRING,
  `row_id` BIGINT,
  `patient_id` STRING,
  `recorded_at` BIGINT,
  `time_source` STRING,
  `read_at` BIGINT,
  `not_before` BIGINT,
  `mark` STRING,
  `heart_beat` DOUBLE,
  `bp` DOUBLE,
  `body_temperature` DOUBLE,
  `spo2` DOUBLE,
  `respiratory_rate` DOUBLE,
  `bad` STRING,
  `other` STRING,
  `kafka_partition` INT,
  `kafka_offset` BIGINT
)
PARTITIONED BY (`dt` STRING, `hr` STRING)
STORED AS PARQUET
LOCATION '${hivevar:lake}/vital_info';

CREATE EXTERNAL TABLE IF NOT EXISTS gap (
  `source` STRING,
  `first_id` BIGINT,
  `last_id` BIGINT,
  `evidence` STRING,
  `at` BIGINT,
  `body` STRING,
  `kafka_partition` INT,
  `kafka_offset` BIGINT
)
PARTITIONED BY (`dt` STRING, `hr` STRING)
STORED AS PARQUET
LOCATION '${hivevar:lake}/gap';

CREATE EXTERNAL TABLE IF NOT EXISTS alert (
  `event_id` STRING,
  `kind` STRING,
  `episode_id` STRING,
  `event_index` INT,
  `written_by` STRING,
  `patient_id` STRING,
  `ward` STRING,
  `attribute` STRING,
  `direction` STRING,
  `reason` STRING,
  `value` DOUBLE,
  `unit` STRING,
  `range_low` DOUBLE,
  `range_high` DOUBLE,
  `severity` STRING,
  `message` STRING,
  `reading_id` STRING,
  `since` BIGINT,
  `measured_at` BIGINT,
  `evaluated_at` BIGINT,
  `threshold_version` STRING,
  `patient_version` STRING,
  `policy_version` STRING,
  `at` BIGINT,
  `body` STRING,
  `kafka_partition` INT,
  `kafka_offset` BIGINT
)
PARTITIONED BY (`dt` STRING, `hr` STRING)
STORED AS PARQUET
LOCATION '${hivevar:lake}/alert';

CREATE EXTERNAL TABLE IF NOT EXISTS delivery (
  `notification_id` STRING,
  `state` STRING,
  `kind` STRING,
  `trigger_id` STRING,
  `event_id` STRING,
  `episode_id` STRING,
  `n` INT,
  `destination` STRING,
  `reason` STRING,
  `attempt` INT,
  `due` BIGINT,
  `sns_message_id` STRING,
  `covered_by` STRING,
  `possible_repeat` BOOLEAN,
  `at` BIGINT,
  `body` STRING,
  `kafka_partition` INT,
  `kafka_offset` BIGINT
)
PARTITIONED BY (`dt` STRING, `hr` STRING)
STORED AS PARQUET
LOCATION '${hivevar:lake}/delivery';

CREATE EXTERNAL TABLE IF NOT EXISTS access_audit (
  `user_name` STRING,
  `action` STRING,
  `patient_id` STRING,
  `at` BIGINT,
  `body` STRING,
  `kafka_partition` INT,
  `kafka_offset` BIGINT
)
PARTITIONED BY (`dt` STRING, `hr` STRING)
STORED AS PARQUET
LOCATION '${hivevar:lake}/access_audit';

CREATE EXTERNAL TABLE IF NOT EXISTS vital_info_dead (
  `reason` STRING,
  `raw` BINARY,
  `record_key` BINARY,
  `headers` STRING,
  `kafka_timestamp` BIGINT,
  `kafka_partition` INT,
  `kafka_offset` BIGINT
)
PARTITIONED BY (`dt` STRING, `hr` STRING)
STORED AS PARQUET
LOCATION '${hivevar:lake}/vital_info_dead';

CREATE EXTERNAL TABLE IF NOT EXISTS gap_dead (
  `reason` STRING,
  `raw` BINARY,
  `record_key` BINARY,
  `headers` STRING,
  `kafka_timestamp` BIGINT,
  `kafka_partition` INT,
  `kafka_offset` BIGINT
)
PARTITIONED BY (`dt` STRING, `hr` STRING)
STORED AS PARQUET
LOCATION '${hivevar:lake}/gap_dead';

CREATE EXTERNAL TABLE IF NOT EXISTS alert_dead (
  `reason` STRING,
  `raw` BINARY,
  `record_key` BINARY,
  `headers` STRING,
  `kafka_timestamp` BIGINT,
  `kafka_partition` INT,
  `kafka_offset` BIGINT
)
PARTITIONED BY (`dt` STRING, `hr` STRING)
STORED AS PARQUET
LOCATION '${hivevar:lake}/alert_dead';

CREATE EXTERNAL TABLE IF NOT EXISTS delivery_dead (
  `reason` STRING,
  `raw` BINARY,
  `record_key` BINARY,
  `headers` STRING,
  `kafka_timestamp` BIGINT,
  `kafka_partition` INT,
  `kafka_offset` BIGINT
)
PARTITIONED BY (`dt` STRING, `hr` STRING)
STORED AS PARQUET
LOCATION '${hivevar:lake}/delivery_dead';

CREATE EXTERNAL TABLE IF NOT EXISTS access_audit_dead (
  `reason` STRING,
  `raw` BINARY,
  `record_key` BINARY,
  `headers` STRING,
  `kafka_timestamp` BIGINT,
  `kafka_partition` INT,
  `kafka_offset` BIGINT
)
PARTITIONED BY (`dt` STRING, `hr` STRING)
STORED AS PARQUET
LOCATION '${hivevar:lake}/access_audit_dead';

CREATE EXTERNAL TABLE IF NOT EXISTS patient (
  `version` STRING,
  `imported_at` BIGINT,
  `deleted` BOOLEAN,
  `patient_id` STRING,
  `name` STRING,
  `address` STRING,
  `phone` STRING,
  `ward` STRING,
  `age` INT,
  `other_details` STRING
)
PARTITIONED BY (`dt` STRING, `hr` STRING)
STORED AS PARQUET
LOCATION '${hivevar:lake}/patient';

CREATE EXTERNAL TABLE IF NOT EXISTS threshold (
  `version` STRING,
  `imported_at` BIGINT,
  `deleted` BOOLEAN,
  `attribute` STRING,
  `low_age` DOUBLE,
  `high_age` DOUBLE,
  `low_value` DOUBLE,
  `high_value` DOUBLE,
  `alert` BOOLEAN,
  `message` STRING,
  `severity` STRING,
  `unit` STRING
)
PARTITIONED BY (`dt` STRING, `hr` STRING)
STORED AS PARQUET
LOCATION '${hivevar:lake}/threshold';

-- New hours become visible with this: run it on a schedule, or add each hour's partition as it begins.
MSCK REPAIR TABLE vital_info;
MSCK REPAIR TABLE gap;
MSCK REPAIR TABLE alert;
MSCK REPAIR TABLE delivery;
MSCK REPAIR TABLE access_audit;
MSCK REPAIR TABLE vital_info_dead;
MSCK REPAIR TABLE gap_dead;
MSCK REPAIR TABLE alert_dead;
MSCK REPAIR TABLE delivery_dead;
MSCK REPAIR TABLE access_audit_dead;
MSCK REPAIR TABLE patient;
MSCK REPAIR TABLE threshold;
