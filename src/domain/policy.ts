// The timing of alerts: policy.yaml, validated by src/config. `version` is a hash of its content and stands in each event.

export interface Policy {
  readonly version: string;
  /** How long, in event time, an attribute must be normal before its episode ends, and how many samples at least. */
  readonly clearAfterMs: number;
  readonly clearSamples: number;
  /** Older than this when evaluated: recorded and shown, never e-mailed one by one. */
  readonly alertMaxAgeMs: number;
  /** Wards whose patients are expected to send data: their silence means something. */
  readonly expectDataWards: readonly string[];
}
