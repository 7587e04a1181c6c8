// A throw-away authority and a server certificate for 127.0.0.1, for services that demand TLS in tests.
// @ts-check
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const VALID_DAYS = '2';
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/**
 * @typedef {object} Certificates
 * @property {string} caFile
 * @property {string} certFile
 * @property {string} keyFile PKCS #8
 * @property {string} ca the authority's certificate as PEM text
 */

/**
 * @param {string} folder exists; the files go into its folder `tls`
 * @returns {Promise<Certificates>}
 */
export async function makeCertificates(folder) {
  const at = join(folder, 'tls');
  await mkdir(at, { recursive: true });
  const file = (/** @type {string} */ name) => join(at, name);
  await writeFile(file('san'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  const authority = ['req', '-x509', ...NEW_KEY, '-keyout', file('ca.key'), '-out', file('ca.pem')];
  await run('openssl', [...authority, '-subj', '/CN=wardwatch test authority', '-days', VALID_DAYS]);
  const request = ['req', ...NEW_KEY, '-keyout', file('server.key'), '-out', file('server.csr')];
  await run('openssl', [...request, '-subj', '/CN=localhost']);
  const sign = ['x509', '-req', '-in', file('server.csr'), '-CA', file('ca.pem'), '-CAkey', file('ca.key')];
  const out = ['-CAcreateserial', '-extfile', file('san'), '-days', VALID_DAYS, '-out', file('server.pem')];
  await run('openssl', [...sign, ...out]);
  return {
    caFile: file('ca.pem'),
    certFile: file('server.pem'),
    keyFile: file('server.key'),
    ca: await readFile(file('ca.pem'), 'utf8'),
  };
}
