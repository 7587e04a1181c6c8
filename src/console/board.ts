// Bull Board: every queue, to look at only. No patient in it, no foreign address in its page.
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import type { Job, Queue } from 'bullmq';
import fastify from 'fastify';
import type { z } from 'zod';
import { JOB_ERROR_CODES } from '../domain/job-error.js';
import type { Logger } from '../domain/ports.js';
import { type AlertsApiParts, alertsApi } from './alerts-api.js';
import { type HttpServer, serverOf } from './http.js';

const BASE_PATH = '/queues';
const REDACTED = 'redacted';
const KNOWN_REASONS: ReadonlySet<string> = new Set(JOB_ERROR_CODES);

/** Pages of others can't be framed in or asked from ours, and ours asks nobody: the board needs inline styles, no inline script. */
const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
} as const;

/** A link to another host, as Bull Board's page has one for its fonts. */
const FOREIGN_LINK = /<(?:link|script)\b[^>]*\b(?:href|src)="https?:\/\/[^>]*>(?:<\/script>)?/g;

/** A queue as its row describes it. */
export interface BoardQueue {
  readonly name: string;
  readonly purpose: string;
  /** What a job's data must be to be shown. */
  readonly data: z.ZodType;
  readonly queue: Queue;
}

export interface BoardParts {
  readonly queues: readonly BoardQueue[];
  readonly alerts: AlertsApiParts;
  readonly log: Logger;
}

/** The console's server: the board at /queues, the alerts at /api and /episodes. */
export function createConsole(parts: BoardParts): HttpServer {
  const adapter = new FastifyAdapter().setBasePath(BASE_PATH);
  createBullBoard({
    queues: parts.queues.map((row) => new LookOnlyQueue(row)),
    serverAdapter: adapter,
    options: {
      uiConfig: { boardTitle: 'wardwatch', hideDocsLink: true, environment: { label: 'look only', color: '#35608a' } },
      handlerHooks: {
        // The job flow reads jobs past our adapter, and no flow is used here.
        before: ({ method, route }) =>
          method === 'get' && !route.endsWith('/flow') ? { allow: true } : { allow: false, status: 405 },
      },
    },
  });
  const app = fastify({ logger: false, forceCloseConnections: true });
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(SECURITY_HEADERS);
  });
  app.addHook('onSend', async (_request, reply, payload) => {
    const html = String(reply.getHeader('content-type') ?? '').startsWith('text/html');
    return html && typeof payload === 'string' ? payload.replace(FOREIGN_LINK, '') : payload;
  });
  app.get('/', (_request, reply) => reply.redirect(BASE_PATH));
  app.register(adapter.registerPlugin(), { prefix: BASE_PATH });
  app.register(alertsApi(parts.alerts));
  return serverOf(app, parts.log, 'console');
}

/** Shows of a job what its contract names, and of a failure its code. */
class LookOnlyQueue extends BullMQAdapter {
  constructor(row: BoardQueue) {
    super(row.queue, { readOnlyMode: true, allowRetries: false, description: row.purpose });
    this.setFormatter('data', (data: unknown) => {
      const parsed = row.data.safeParse(data);
      return parsed.success ? parsed.data : { [REDACTED]: 'data of another shape than this queue has' };
    });
    this.setFormatter('returnValue', () => null);
    this.setFormatter('progress', () => 0);
    this.setFormatter('name', () => row.name);
  }

  override async getJob(id: string): Promise<Job | undefined> {
    const job = await super.getJob(id);
    return job && withCodesOnly(job);
  }

  override async getJobs(...args: Parameters<BullMQAdapter['getJobs']>): Promise<Job[]> {
    return (await super.getJobs(...args)).map(withCodesOnly);
  }

  override async getJobLogs(): Promise<string[]> {
    return [];
  }
}

function withCodesOnly(job: Job): Job {
  const toJSON = () => {
    const json = job.toJSON();
    const failedReason = json.failedReason && (KNOWN_REASONS.has(json.failedReason) ? json.failedReason : REDACTED);
    const stacktrace = (json.stacktrace ?? []).map((stack) => {
      const code = /^JobError: ([a-z-]+)$/.exec(stack)?.[1];
      return code !== undefined && KNOWN_REASONS.has(code) ? stack : REDACTED;
    });
    return { ...json, failedReason, stacktrace };
  };
  return Object.create(job, { toJSON: { value: toJSON } }) as Job;
}
