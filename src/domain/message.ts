// The e-mail: subject, body and attributes of one notification (alerts.md, The message). Pure; the values are text and never become structure.
import type { EpisodeEvent, NotificationKind } from './events.js';
import { reference } from './identity.js';
import { toAscii } from './message-text.js';
import { commonWard, mostSevere } from './messages/alert-list.js';
import type { EventMessageKind, ListedAlert, MessageContent, MessageOptions } from './messages/content.js';
import { digest } from './messages/digest.js';
import { eventBody, eventSubject } from './messages/event-message.js';
import { heartbeatAttributes, heartbeatBody, heartbeatSubject } from './messages/heartbeat-message.js';
import { recoveredBody, recoveredSubject } from './messages/raised-and-recovered.js';
import { summary } from './messages/summary.js';
import { technicalBody, technicalSeverity, technicalSubject } from './messages/technical.js';
import type { OutgoingMessage } from './notification.js';

/** SNS's limit is 262,144 bytes with attributes; the fields' bounds keep the plain message far under this. */
export const BODY_MAX_BYTES = 210_000;

const WARD_CHARACTERS = 100;

interface Written {
  readonly subject: string;
  readonly body: (options: MessageOptions) => string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** The message for one notification to `destination`. */
export function buildMessage(content: MessageContent, destination: string, options: MessageOptions): OutgoingMessage {
  const { subject, body, attributes } = written(content);
  const whole = body(options);
  const fits = options.safe || Buffer.byteLength(whole) <= BODY_MAX_BYTES;
  return {
    destination,
    subject,
    body: fits ? whole : body({ ...options, safe: true }),
    attributes: options.safe ? {} : attributes,
  };
}

/** The kinds that tell of one event: their content is that event. Throws for others: they are no message about an event. */
export function eventContent(kind: NotificationKind, event: EpisodeEvent): MessageContent {
  if (kind === 'digest' || kind === 'summary' || kind === 'technical' || kind === 'heartbeat')
    throw new Error(`a ${kind} is no message about one event`);
  return { kind, event };
}

function written(content: MessageContent): Written {
  switch (content.kind) {
    case 'digest':
      return { ...digest(content.alerts), attributes: listAttributes('digest', content.alerts) };
    case 'summary':
      return { ...summary(content.alerts), attributes: listAttributes('summary', content.alerts) };
    case 'raised-and-recovered':
      return {
        subject: recoveredSubject(content.resolved),
        body: (options) => recoveredBody(content.covered, content.resolved, options),
        attributes: episodeAttributes('resolved', content.resolved),
      };
    case 'technical':
      return {
        subject: technicalSubject(content),
        body: (options) => technicalBody(content, options),
        attributes: { severity: technicalSeverity(content), kind: 'technical' },
      };
    case 'heartbeat':
      return {
        subject: heartbeatSubject(content.trigger),
        body: (options) => heartbeatBody(content.trigger, options),
        attributes: { kind: 'heartbeat', ...heartbeatAttributes(content.trigger) },
      };
    default: {
      const { kind, event } = content;
      return {
        subject: eventSubject(kind, event),
        body: (options) => eventBody(kind, event, options),
        attributes: episodeAttributes(kind, event),
      };
    }
  }
}

function episodeAttributes(kind: EventMessageKind, event: EpisodeEvent): Record<string, string> {
  return {
    severity: event.severity,
    kind,
    ward: wardAttribute(event.patient.ward),
    ref: reference(event.episodeId),
  };
}

/** There is no one episode to refer to. */
function listAttributes(kind: 'digest' | 'summary', alerts: readonly ListedAlert[]): Record<string, string> {
  return { severity: mostSevere(alerts), kind, ward: wardAttribute(commonWard(alerts)) };
}

function wardAttribute(ward: string | null): string {
  return toAscii(ward ?? '', WARD_CHARACTERS) || 'unknown';
}
