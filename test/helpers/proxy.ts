// A TCP proxy that misbehaves on command: cuts, stalls or delays what lies between a client and a service.
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Proxy {
  readonly port: number;
  /** Resets every open connection and, until `restore`, refuses new ones. */
  cut(): void;
  /** Until `restore`: connections open and stay open, not a byte passes in either direction. */
  stall(): void;
  /** Holds each chunk back for `ms`, in either direction, in order. */
  delay(ms: number): void;
  /** Passes everything on again, first what was held back by a stall. */
  restore(): void;
  /** Connections open now. */
  connections(): number;
  close(): Promise<void>;
}

/** Listens on a port of `host` (default: a free one of 127.0.0.1) and forwards to `port` of 127.0.0.1. */
export async function startProxy(port: number, listenOn = 0, host = '127.0.0.1'): Promise<Proxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let mode: 'pass' | 'cut' | 'stall' = 'pass';
  let delayMs = 0;
  let flowing = Promise.resolve();
  let release = () => {};

  const forward = (from: Socket, to: Socket): void => {
    let last = Promise.resolve();
    from.on('data', (chunk: Buffer) => {
      const held = delayMs;
      // One chain a direction: order is kept whatever the delay was when a chunk came.
      last = last.then(async () => {
        if (held > 0) await delay(held);
        await flowing;
        if (!to.destroyed) to.write(chunk);
      });
    });
    from.on('end', () => {
      last = last.then(() => void to.end());
    });
  };

  const server = createServer((client) => {
    if (mode === 'cut') {
      client.resetAndDestroy();
      return;
    }
    const service = connect(port, '127.0.0.1');
    const pair = [client, service] as const;
    pairs.add(pair);
    for (const [one, other] of [pair, [service, client] as const]) {
      one.on('error', () => other.destroy());
      one.on('close', () => {
        pairs.delete(pair);
        other.destroy();
      });
      forward(one, other);
    }
  });
  await new Promise<void>((resolve) => server.listen(listenOn, host, resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');

  const resetAll = () => {
    for (const [client, service] of pairs) {
      client.resetAndDestroy();
      service.destroy();
    }
  };
  const proxy: Proxy = {
    port: address.port,
    cut: () => {
      proxy.restore();
      mode = 'cut';
      resetAll();
    },
    stall: () => {
      proxy.restore();
      mode = 'stall';
      flowing = new Promise((resolve) => {
        release = resolve;
      });
    },
    delay: (ms) => {
      delayMs = ms;
    },
    restore: () => {
      mode = 'pass';
      delayMs = 0;
      release();
      flowing = Promise.resolve();
    },
    connections: () => pairs.size,
    close: () => {
      proxy.restore();
      resetAll();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return proxy;
}
