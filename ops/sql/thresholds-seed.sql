-- The limits of the original project, as published. They are an exercise's values, NOT medicine: load your clinicians' own
-- before a patient depends on them. Ages above 100 have no limits: their readings raise "unclassified".
-- The same as thresholds-seed.csv. Run by whoever may write to the source; wardwatch itself only reads it.
INSERT INTO Threshold_Reference_table
  (attribute, low_age_limit, high_age_limit, low_value, high_value, alert_flag, alert_message)
VALUES
  ('heartBeat', 0, 40, 0, 69, 1, 'Low Heart Rate than Normal'),
  ('heartBeat', 0, 40, 70, 78, 0, 'Normal'),
  ('heartBeat', 0, 40, 79, 9999, 1, 'Higher Heart Rate than Normal'),
  ('heartBeat', 41, 100, 0, 65, 1, 'Low Heart Rate than Normal'),
  ('heartBeat', 41, 100, 66, 73, 0, 'Normal'),
  ('heartBeat', 41, 100, 74, 9999, 1, 'Higher Heart Rate than Normal'),
  ('bp', 0, 40, 0, 160, 1, 'Low BP than Normal'),
  ('bp', 0, 40, 161, 220, 0, 'Normal'),
  ('bp', 0, 40, 221, 9999, 1, 'Higher BP than Normal'),
  ('bp', 41, 100, 0, 150, 1, 'Low BP than Normal'),
  ('bp', 41, 100, 151, 180, 0, 'Normal'),
  ('bp', 41, 100, 181, 9999, 1, 'Higher BP than Normal');
