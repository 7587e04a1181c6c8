-- The three source tables, for who starts from nothing (demo, tests, trials). A hospital has its own: name them in wardwatch.yaml.
-- Made by sourceTablesSql() of src/domain/source-tables.ts; a test holds the two together. Every vital sign may be NULL
-- (a device that measures something else); id and recorded_at are what a poller needs beside the original's columns.
CREATE TABLE IF NOT EXISTS `patients_vital_info` (
  `id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `customerId` VARCHAR(64) NULL,
  `recorded_at` DATETIME(6) NULL,
  `heartBeat` DECIMAL(10,3) NULL,
  `bp` DECIMAL(10,3) NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS `patients_information` (
  `patientid` VARCHAR(64) NOT NULL PRIMARY KEY,
  `patientname` VARCHAR(300) NULL,
  `patientaddress` VARCHAR(500) NULL,
  `phone_number` VARCHAR(64) NULL,
  `admitted_ward` VARCHAR(64) NULL,
  `age` INT NULL,
  `other_details` TEXT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS `Threshold_Reference_table` (
  `attribute` VARCHAR(64) NOT NULL,
  `low_age_limit` INT NOT NULL,
  `high_age_limit` INT NOT NULL,
  `low_value` DECIMAL(10,3) NOT NULL,
  `high_value` DECIMAL(10,3) NOT NULL,
  `alert_flag` TINYINT NOT NULL,
  `alert_message` VARCHAR(300) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
