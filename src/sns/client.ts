// The SDK's client as wardwatch uses it: no retries of its own, and a time-out on everything.
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { SNSClient } from '@aws-sdk/client-sns';

export interface SnsSettings {
  readonly region: string;
  /** Another address than the region's: emulators, VPC endpoints. */
  readonly endpoint?: string | undefined;
  /** One request at most, milliseconds: connecting and answering together. */
  readonly timeoutMs?: number | undefined;
  /** Only for emulators; the SDK's standard chain otherwise. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

export const DEFAULT_TIMEOUT_MS = 2_500;
const CONNECT_TIMEOUT_MS = 1_000;
/** Idle connections are closed by us before SNS does: a request on a closing one has an unknown outcome. */
const IDLE_CONNECTION_MS = 4_000;
const MAX_CONNECTIONS = 32;

export function createSnsClient(settings: SnsSettings): SNSClient {
  const timeoutMs = settings.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const agent = { keepAlive: true, maxSockets: MAX_CONNECTIONS, timeout: IDLE_CONNECTION_MS };
  return new SNSClient({
    region: settings.region,
    maxAttempts: 1,
    ...(settings.endpoint ? { endpoint: settings.endpoint } : {}),
    ...(settings.credentials ? { credentials: settings.credentials } : {}),
    requestHandler: {
      connectionTimeout: Math.min(CONNECT_TIMEOUT_MS, timeoutMs),
      requestTimeout: timeoutMs,
      throwOnRequestTimeout: true,
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent(agent),
    },
  });
}
