// A program that we ran said no: its own words are the message, and a stack trace of ours would only hide them.
// @ts-check

export class CommandError extends Error {
  /** @override */
  name = 'CommandError';
}
