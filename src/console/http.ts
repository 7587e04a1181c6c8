// The HTTP of every process: /live, /ready, /metrics.
import fastify, { type FastifyInstance } from 'fastify';
import type { Logger } from '../domain/ports.js';
import type { MetricRegistry } from '../telemetry/metrics.js';
import type { Health } from './health.js';

const OK = 200;
const UNAVAILABLE = 503;

export interface HttpParts {
  readonly health: Health;
  readonly metrics: MetricRegistry;
  readonly log: Logger;
}

export interface HttpServer {
  /** Resolves with the port that was bound, also logged as `http.listening`. Throws where the port is taken, naming it. */
  listen(host: string, port: number): Promise<number>;
  close(): Promise<void>;
}

export function createHttp(parts: HttpParts): HttpServer {
  const app = fastify({ logger: false, forceCloseConnections: true });
  app.get('/live', (_request, reply) => {
    const { live, reasons } = parts.health.check();
    return reply.code(live ? OK : UNAVAILABLE).send({ live, reasons: live ? [] : reasons });
  });
  app.get('/ready', (_request, reply) => {
    const { ready, reasons, roles } = parts.health.check();
    return reply.code(ready ? OK : UNAVAILABLE).send({ ready, reasons, roles });
  });
  app.get('/metrics', async (_request, reply) => {
    const text = await parts.metrics.text();
    return reply.header('content-type', parts.metrics.contentType).send(text);
  });
  return serverOf(app, parts.log, 'metrics');
}

/** One fastify instance behind the two calls that the composition root needs. `what` is for the log. */
export function serverOf(app: FastifyInstance, log: Logger, what: 'metrics' | 'console'): HttpServer {
  return {
    listen: async (host, port) => {
      try {
        await app.listen({ host, port });
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'EADDRINUSE') throw error;
        throw new PortTakenError(host, port, what);
      }
      const address = app.server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : port;
      log.info('http.listening', { what, host, port: bound });
      return bound;
    },
    close: () => app.close(),
  };
}

/** Its message is for a person and holds no data. */
export class PortTakenError extends Error {
  override readonly name = 'PortTakenError';
  constructor(host: string, port: number, what: 'metrics' | 'console') {
    const setting = what === 'metrics' ? 'METRICS_PORT' : 'CONSOLE_PORT';
    super(`${host}:${port} is taken by another process. Set ${setting} to a free port, or to 0 for any`);
  }
}
