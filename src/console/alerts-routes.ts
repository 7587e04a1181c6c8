// The API of the alerts as a table: a row a verb. GET never changes anything.
import type { z } from 'zod';
import type { AlertDesk, Asker } from '../domain/alert-desk.js';
import * as s from './alerts-schemas.js';

const MS_PER_S = 1_000;
const US_PER_MS = 1_000;

/** What a handler is given: path, query and body, as their schemas made them. */
export interface Asked<P, Q, B> {
  readonly desk: AlertDesk;
  readonly asker: Asker;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Microseconds of UTC; undefined where it is no time. */
  readonly saidTime: (said: string) => number | undefined;
}

interface RouteRow<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  readonly method: 'GET' | 'POST';
  /** `:name` is a parameter. */
  readonly path: string;
  readonly name: string;
  readonly summary: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly answer: z.ZodType;
  readonly handle: (asked: Asked<z.infer<P>, z.infer<Q>, z.infer<B>>) => Promise<unknown>;
}

/** A row whose schemas have been forgotten: it parses what it is given itself. */
export interface ApiRoute extends Omit<RouteRow<z.ZodType, z.ZodType, z.ZodType>, 'handle'> {
  readonly handle: (asked: Asked<never, never, never>) => Promise<unknown>;
}

/** The time in the query is none. */
export class NoTime extends Error {}

function row<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(given: RouteRow<P, Q, B>): ApiRoute {
  return given as unknown as ApiRoute;
}

export const ALERT_ROUTES: readonly ApiRoute[] = [
  row({
    method: 'GET',
    path: '/api/alerts',
    name: 'listAlerts',
    summary: 'Open alerts, silences in force, and notifications that a person has to look at. No names.',
    query: s.ListQuery,
    answer: s.ListAnswer,
    handle: ({ desk, asker, query }) => desk.list(asker, query as Parameters<AlertDesk['list']>[1]),
  }),
  row({
    method: 'GET',
    path: '/api/alerts/:alert',
    name: 'showAlert',
    summary: 'One alert whole, and its notifications.',
    params: s.AlertParams,
    answer: s.DetailsAnswer,
    handle: ({ desk, asker, params }) => desk.show(asker, params.alert),
  }),
  row({
    method: 'GET',
    path: '/api/alerts/:alert/why',
    name: 'whyAlert',
    summary: 'Who was told of an alert, who was not, and why, from the decisions on record.',
    params: s.AlertParams,
    answer: s.ExplanationAnswer,
    handle: ({ desk, asker, params }) => desk.why(asker, params.alert),
  }),
  row({
    method: 'GET',
    path: '/api/why',
    name: 'whyRecipient',
    summary: 'What a recipient got, or did not get, round a time, and why.',
    query: s.RecipientQuery,
    answer: s.RecipientAnswer,
    handle: ({ desk, asker, query, saidTime }) => {
      const us = saidTime(query.time);
      if (us === undefined) throw new NoTime();
      const [ms, aroundMs] = [us / US_PER_MS, query.aroundSeconds * MS_PER_S];
      return desk.whyRecipient(asker, { recipient: query.recipient, fromMs: ms - aroundMs, toMs: ms + aroundMs });
    },
  }),
  row({
    method: 'POST',
    path: '/api/alerts/:alert/ack',
    name: 'acknowledgeAlert',
    summary: 'No reminders and no escalation until the alert ends, worsens, or the time is over.',
    params: s.AlertParams,
    body: s.AckBody,
    answer: s.DoneAnswer,
    handle: ({ desk, asker, params, body }) =>
      desk.acknowledge(asker, {
        alert: params.alert,
        note: body.note,
        ...(body.forSeconds === undefined ? {} : { forMs: body.forSeconds * MS_PER_S }),
      }),
  }),
  row({
    method: 'POST',
    path: '/api/silences',
    name: 'silence',
    summary: 'Sends nothing about what fits, for a while; watching, history and this API go on.',
    body: s.SilenceBody,
    answer: s.SilenceAnswer,
    handle: ({ desk, asker, body }) =>
      desk.silence(asker, {
        matcher: body.matcher as Parameters<AlertDesk['silence']>[1]['matcher'],
        forMs: body.forSeconds * MS_PER_S,
        reason: body.reason,
      }),
  }),
  row({
    method: 'POST',
    path: '/api/silences/:silence/end',
    name: 'unsilence',
    summary: 'Ends a silence now: what it held back and is still open is told at once.',
    params: s.SilenceParams,
    body: s.ByBody,
    answer: s.DoneAnswer,
    handle: ({ desk, asker, params }) => desk.unsilence(asker, params.silence),
  }),
  row({
    method: 'POST',
    path: '/api/redrive',
    name: 'redrive',
    summary: 'Tries again to send what was held back or given up.',
    body: s.RedriveBody,
    answer: s.RedriveAnswer,
    handle: async ({ desk, asker, body }) => ({ notifications: await desk.redrive(asker, body.which) }),
  }),
];
