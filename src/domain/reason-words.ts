// What the reasons on alert-deliveries mean, for the person who asks why.
import type { DecisionReason } from './notification.js';

const DECISIONS: Readonly<Record<DecisionReason, string>> = {
  routed: 'by the routes of the policy',
  unstable: 'the same alert came and went too often; one notice stands for all of these',
  due: 'its time had come',
  alarm: 'something is wrong with wardwatch, or is right again',
  heartbeat: 'a sign of life through the whole chain',
  'acknowledgement-ended': 'nobody looked after it any more: the acknowledgement had ended',
  historic: 'it was older than alertMaxAge, backfilled or replayed when it was evaluated',
  silenced: 'a silence was in force',
  flapping: 'the same alert came and went too often; the notice "unstable" stands for it',
  acknowledged: 'somebody had acknowledged the alert',
  resolved: 'the alert had ended',
  'not-notified': 'events of this kind are news for nobody',
  'resolved-without-raised': 'nobody was told of the beginning, so nobody is told of the end',
  'not-open': 'the alert had ended, or was never seen to begin',
  superseded:
    'it was meant for something that had changed meanwhile: the alert became worse, an acknowledgement or a silence ended',
  'told-already': 'they had been told meanwhile',
  'not-routed': 'no route with a topic fits, or the policy has no such level any more',
  'already-folded': 'something later about this alert had been decided before it',
};

/** A reason that is in no table is said as it stands. */
const DELIVERIES: Readonly<Record<string, string>> = {
  covered: 'another message stands for it',
  digest: 'there were too many for a message each',
  fallback: 'the topic that it was meant for refuses everything',
  redriven: 'a person has asked for another try',
  'too-old': 'it was older than 24 h when the ledger was rebuilt: a person decides (wardwatch alerts redrive)',
  'raised-not-delivered': 'the beginning was never sent, so its end is no news',
  outdated: 'a sign of life that comes so late says nothing any more',
  'event-missing': 'what it is about is not there (any more)',
  throttled: 'SNS asked us to slow down',
  'definite-transport': 'SNS could not be reached',
  ambiguous: 'the connection broke, or SNS failed, after the message was on its way',
  identity: 'SNS refused our credentials, or our clock is wrong',
  configuration: 'the topic is not there, or we have no right to publish to it',
  payload: 'SNS refused the content',
  'lease-expired': 'the process that was sending it is gone',
};

export function reasonInWords(reason: string): string {
  const words: Readonly<Record<string, string>> = { ...DELIVERIES, ...DECISIONS };
  return Object.hasOwn(words, reason) ? (words[reason] ?? reason) : reason;
}
