// What a demo's things are called, and the credentials that only an emulator takes. Imports nothing: it is read before npm ci.

const NAME = /^wardwatch_demo_[a-z0-9_]+$/;
const USER_NAME_MAX = 32;

/** @type {Readonly<Record<string, string>>} */
export const SHIPPED_LIMITS = { seed: 'ops/sql/thresholds-seed.csv', news2: 'ops/sql/thresholds-news2.csv' };

export const EMULATOR = {
  region: 'us-east-1',
  credentials: { accessKeyId: 'wardwatch-local', secretAccessKey: 'wardwatch-local' },
};

/** The name itself. Throws where it is not a demo's: nothing else is ever created or removed. */
export function wardName(name) {
  if (!NAME.test(name)) throw new Error(`the demo's names must begin with wardwatch_demo_: ${name}`);
  return name;
}

/** The database user of that demo, who may only read. */
export function userOf(name) {
  return name.slice(0, USER_NAME_MAX);
}
