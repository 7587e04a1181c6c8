-- Limits after the bands of the National Early Warning Score 2 (Royal College of Physicians, 2017): score 3 is high, 2 medium,
-- 1 low. NEWS2 is an aggregate score for people of 16 and older who are not pregnant, with SpO2 scale 1; bands taken one by
-- one are NOT NEWS2, and NOT medicine: load your clinicians' own before a patient depends on them. Below 16 there are no
-- limits on purpose: these bands are wrong for children, and their readings raise "unclassified".
-- The same as thresholds-news2.csv. Needs the optional columns, and `severity` and `unit` in wardwatch.yaml's mapping:
--   ALTER TABLE Threshold_Reference_table ADD COLUMN severity VARCHAR(10) NULL, ADD COLUMN unit VARCHAR(20) NULL;
INSERT INTO Threshold_Reference_table
  (attribute, low_age_limit, high_age_limit, low_value, high_value, alert_flag, alert_message, severity, unit)
VALUES
  ('heartBeat', 16, 150, 0, 40, 1, 'Pulse 40 or less (NEWS2 score 3)', 'high', '/min'),
  ('heartBeat', 16, 150, 41, 50, 1, 'Pulse 41 to 50 (NEWS2 score 1)', 'low', '/min'),
  ('heartBeat', 16, 150, 51, 90, 0, 'Normal', NULL, '/min'),
  ('heartBeat', 16, 150, 91, 110, 1, 'Pulse 91 to 110 (NEWS2 score 1)', 'low', '/min'),
  ('heartBeat', 16, 150, 111, 130, 1, 'Pulse 111 to 130 (NEWS2 score 2)', 'medium', '/min'),
  ('heartBeat', 16, 150, 131, 9999, 1, 'Pulse 131 or more (NEWS2 score 3)', 'high', '/min'),
  ('bp', 16, 150, 0, 90, 1, 'Systolic blood pressure 90 or less (NEWS2 score 3)', 'high', 'mm[Hg]'),
  ('bp', 16, 150, 91, 100, 1, 'Systolic blood pressure 91 to 100 (NEWS2 score 2)', 'medium', 'mm[Hg]'),
  ('bp', 16, 150, 101, 110, 1, 'Systolic blood pressure 101 to 110 (NEWS2 score 1)', 'low', 'mm[Hg]'),
  ('bp', 16, 150, 111, 219, 0, 'Normal', NULL, 'mm[Hg]'),
  ('bp', 16, 150, 220, 9999, 1, 'Systolic blood pressure 220 or more (NEWS2 score 3)', 'high', 'mm[Hg]'),
  ('respiratoryRate', 16, 150, 0, 8, 1, 'Respiration rate 8 or less (NEWS2 score 3)', 'high', '/min'),
  ('respiratoryRate', 16, 150, 9, 11, 1, 'Respiration rate 9 to 11 (NEWS2 score 1)', 'low', '/min'),
  ('respiratoryRate', 16, 150, 12, 20, 0, 'Normal', NULL, '/min'),
  ('respiratoryRate', 16, 150, 21, 24, 1, 'Respiration rate 21 to 24 (NEWS2 score 2)', 'medium', '/min'),
  ('respiratoryRate', 16, 150, 25, 200, 1, 'Respiration rate 25 or more (NEWS2 score 3)', 'high', '/min'),
  ('spo2', 16, 150, 0, 91, 1, 'Oxygen saturation 91 or less (NEWS2 score 3)', 'high', '%'),
  ('spo2', 16, 150, 92, 93, 1, 'Oxygen saturation 92 to 93 (NEWS2 score 2)', 'medium', '%'),
  ('spo2', 16, 150, 94, 95, 1, 'Oxygen saturation 94 to 95 (NEWS2 score 1)', 'low', '%'),
  ('spo2', 16, 150, 96, 100, 0, 'Normal', NULL, '%'),
  ('bodyTemperature', 16, 150, 10, 35.0, 1, 'Temperature 35.0 or less (NEWS2 score 3)', 'high', 'Cel'),
  ('bodyTemperature', 16, 150, 35.1, 36.0, 1, 'Temperature 35.1 to 36.0 (NEWS2 score 1)', 'low', 'Cel'),
  ('bodyTemperature', 16, 150, 36.1, 38.0, 0, 'Normal', NULL, 'Cel'),
  ('bodyTemperature', 16, 150, 38.1, 39.0, 1, 'Temperature 38.1 to 39.0 (NEWS2 score 1)', 'low', 'Cel'),
  ('bodyTemperature', 16, 150, 39.1, 50, 1, 'Temperature 39.1 or more (NEWS2 score 2)', 'medium', 'Cel');
