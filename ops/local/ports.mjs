// Free ports for the private stack, from below the range that the kernel hands to outgoing connections.
// @ts-check
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Linux gives outgoing connections 32768 and up: a port from there can be taken between our look and the service's bind. */
const LOWEST = 20_000;
const HIGHEST = 32_000;
const TRIES = 200;

/** @type {Set<number>} never the same twice in one process */
const given = new Set();

/** @returns {Promise<number>} a port on 127.0.0.1 that nobody listens on */
export async function freePort() {
  for (let i = 0; i < TRIES; i += 1) {
    const port = randomInt(LOWEST, HIGHEST);
    if (given.has(port) || !(await canListen(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no free port between ${LOWEST} and ${HIGHEST}`);
}

/** @param {number} port */
function canListen(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
