// Does a port answer? Small probes over plain TCP or TLS, without a client library.
// @ts-check
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

const PROBE_TIMEOUT_MS = 1_000;

/**
 * Connects, sends `request` if there is one, and asks `enough` about all that came so far.
 * @param {{ readonly port: number, readonly ca?: string, readonly request?: string }} target
 * @param {(answer: Buffer) => boolean} enough
 * @returns {Promise<boolean>}
 */
export function answers({ port, ca, request }, enough) {
  return new Promise((resolve) => {
    const address = { host: '127.0.0.1', port };
    const socket = ca ? connectTls({ ...address, ca, servername: 'localhost' }) : connect(address);
    let answer = Buffer.alloc(0);
    /** @param {boolean} result */
    const end = (result) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => end(false));
    socket.on('error', () => end(false));
    socket.on('close', () => end(false));
    socket.on(ca ? 'secureConnect' : 'connect', () => {
      if (request) socket.write(request);
      else if (enough(answer)) end(true);
    });
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (enough(answer)) end(true);
    });
  });
}
