// The API of the alerts over HTTP: who may ask what, requests checked, failures as codes and words. Every verb is a row of alerts-routes.ts.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { type AlertDesk, type AlertDetails, type Asker, DeskNotReady, DeskRefused } from '../domain/alert-desk.js';
import { LedgerLostError } from '../domain/ledger.js';
import type { Logger } from '../domain/ports.js';
import type { SayTime } from '../domain/story.js';
import { ALERT_ROUTES, type ApiRoute, NoTime } from './alerts-routes.js';
import { AlertParams } from './alerts-schemas.js';
import { episodePage } from './episode-page.js';
import { CHANGE_HEADER, openApiOf } from './openapi.js';

const BODY_MOST_BYTES = 65_536;
/** Who asks where nobody says so: a GET. */
const NOBODY_KNOWN = 'console';
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i;

export interface AlertsApiParts {
  readonly desk: AlertDesk;
  /** What the console listens on: on this machine alone, it may change things and show names. */
  readonly host: string;
  readonly saidTime: (said: string) => number | undefined;
  /** In the hospital's zone. */
  readonly time: SayTime;
  readonly log: Logger;
}

export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

/** A fastify plugin. */
export function alertsApi(parts: AlertsApiParts): (app: FastifyInstance) => Promise<void> {
  const { desk, log, saidTime } = parts;
  const ours = isLoopback(parts.host);
  const openapi = openApiOf(ALERT_ROUTES);

  const serve = (route: ApiRoute) => async (request: FastifyRequest, reply: FastifyReply) => {
    const refusal = notAllowed(route.method, request, ours);
    if (refusal) return refuse(reply, refusal.status, refusal.error, refusal.message);
    const params = parsed(route.params, request.params);
    const query = parsed(route.query, request.query);
    const body = parsed(route.body, request.body ?? {});
    const wrong = [params, query, body].flatMap((one) => one.problems);
    if (wrong.length > 0) return refuse(reply, 400, 'wrong-request', wrong.join('; '));
    const asker: Asker = { user: userOf(body.value), via: 'console' };
    const asked = { desk, asker, saidTime, params: params.value, query: query.value, body: body.value };
    try {
      const answer = await route.handle(asked as Parameters<ApiRoute['handle']>[0]);
      return ours ? answer : withoutNames(answer);
    } catch (error) {
      return refuseFor(error, reply, log, route.name);
    }
  };

  /** Where e-mails' links lead. */
  const servePage = async (request: FastifyRequest, reply: FastifyReply) => {
    const refusal = notAllowed('GET', request, ours);
    const asked = AlertParams.safeParse(request.params);
    if (refusal || !asked.success) return reply.code(404).type('text/plain').send('no such page');
    const asker: Asker = { user: NOBODY_KNOWN, via: 'console' };
    try {
      const details = await desk.show(asker, asked.data.alert);
      const why = await desk.why(asker, asked.data.alert);
      const shown = ours ? details : withoutNames(details);
      return reply.type('text/html; charset=utf-8').send(episodePage(shown, why, parts.time));
    } catch (error) {
      return refuseFor(error, reply, log, 'episodePage');
    }
  };

  return async (app) => {
    // What is not JSON is 415: a form of a foreign page can send text.
    app.removeContentTypeParser(['text/plain']);
    app.get('/api/openapi.json', () => openapi);
    for (const route of ALERT_ROUTES)
      app.route({ method: route.method, url: route.path, bodyLimit: BODY_MOST_BYTES, handler: serve(route) });
    app.get('/episodes/:alert', servePage);
    app.setErrorHandler((error: { statusCode?: number }, _request, reply) => {
      const status = error.statusCode ?? 500;
      if (status >= 500) log.error('api.failed', {}, error);
      return refuse(reply, status, 'wrong-request', 'the request could not be read: send application/json');
    });
  };
}

interface Refusal {
  readonly status: number;
  readonly error: string;
  readonly message: string;
}

/**
 * A foreign page in a browser of this machine is kept out by three things: it can't send the header, nor JSON, without asking
 * first (and nobody answers), and a name that it has made point here is not ours.
 */
function notAllowed(method: ApiRoute['method'], request: FastifyRequest, ours: boolean): Refusal | undefined {
  if (ours && !isLoopback(hostOf(request)))
    return { status: 403, error: 'foreign-host', message: 'ask for 127.0.0.1 or localhost by name' };
  if (method === 'GET') return undefined;
  if (!ours)
    return {
      status: 403,
      error: 'not-on-loopback',
      message:
        'the console has no users yet, so it changes things only while CONSOLE_HOST is 127.0.0.1: use the command line',
    };
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? ''))
    return { status: 415, error: 'not-json', message: 'content-type must be application/json' };
  if (request.headers[CHANGE_HEADER] === undefined)
    return { status: 403, error: 'no-header', message: `a header ${CHANGE_HEADER} must be there` };
  return undefined;
}

/** Without the port. */
function hostOf(request: FastifyRequest): string {
  return (request.headers.host ?? '').replace(/:\d+$/, '');
}

function userOf(body: unknown): string {
  const by = (body as { by?: unknown } | undefined)?.by;
  return typeof by === 'string' ? by : NOBODY_KNOWN;
}

function parsed(schema: z.ZodType | undefined, value: unknown): { value?: unknown; problems: string[] } {
  if (!schema) return { problems: [] };
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data, problems: [] };
  return { problems: result.error.issues.map(({ path, message }) => `${path.join('.') || 'request'}: ${message}`) };
}

const STATUS: Readonly<Record<DeskRefused['code'], number>> = {
  'no-such-alert': 404,
  'no-such-silence': 404,
  'no-such-notification': 404,
  'several-alerts': 409,
  'not-open': 409,
  'too-long': 400,
  'no-matcher': 400,
  'no-reason': 400,
};

function refuseFor(error: unknown, reply: FastifyReply, log: Logger, route: string): FastifyReply {
  if (error instanceof NoTime) return refuse(reply, 400, 'wrong-request', 'time: it is no time');
  if (error instanceof DeskRefused) return refuse(reply, STATUS[error.code], error.code, error.message);
  if (error instanceof DeskNotReady || error instanceof LedgerLostError)
    return refuse(reply, 503, 'not-ready', 'the views of the alerts are being rebuilt: ask again in a while');
  log.error('api.failed', { route }, error);
  return refuse(
    reply,
    503,
    'unavailable',
    'Kafka, Redis, the lake or SNS did not answer: wardwatch doctor looks at all',
  );
}

function refuse(reply: FastifyReply, status: number, error: string, message: string): FastifyReply {
  return reply.code(status).send({ error, message });
}

/** Of an answer of `show`; any other stays as it is. */
function withoutNames<T>(answer: T): T {
  const { event } = answer as Partial<AlertDetails>;
  if (!event) return answer;
  return { ...answer, event: { ...event, patient: { ...event.patient, name: null, address: null, phone: null } } };
}
