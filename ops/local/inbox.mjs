// Reading the emulator's inbox: what the doctors would have received.
// @ts-check

export const INBOX = 'inbox';
/** Subscribe this to a topic, protocol `sqs`, and its messages arrive in the inbox. */
export const INBOX_ARN = `arn:aws:sqs:us-east-1:000000000000:${INBOX}`;

/**
 * @typedef {object} Email One message as it was delivered.
 * @property {number} n its place in the inbox, from 1
 * @property {string} topicArn
 * @property {string} messageId SNS's id of the publish
 * @property {string | null} subject
 * @property {string} message
 * @property {Readonly<Record<string, string>>} attributes
 * @property {string} publishedAt ISO 8601, when SNS accepted it
 */

/**
 * @param {string} snsEndpoint the emulator's address
 * @param {{ readonly after?: number, readonly topicArn?: string }} [which] only those behind number `after`, of one topic
 * @returns {Promise<{ readonly count: number, readonly emails: readonly Email[] }>} in order of arrival; `count` is that of all,
 *   whatever `after` says
 */
export async function readInbox(snsEndpoint, { after = 0, topicArn } = {}) {
  const url = new URL('/inbox', snsEndpoint);
  url.searchParams.set('after', String(after));
  if (topicArn) url.searchParams.set('topic', topicArn);
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`the inbox answered ${answer.status}: is it ops/local/sns-emulator.mjs?`);
  return /** @type {any} */ (await answer.json());
}
