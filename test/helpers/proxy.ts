// A TCP proxy that misbehaves on command: cuts, stalls or delays what lies between a client and a service, or loses one request or answer.
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Is that the request? It gets a chunk as it came from a client: where clients wait for answers, that is one request. */
export type Which = (chunk: Buffer) => boolean;

interface Loss {
  readonly which: Which;
  readonly what: 'request' | 'answer';
  /** Of the answer, still to be passed on. */
  left: number;
  readonly done: () => void;
}

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
  /** The next request that `which` picks never reaches the service: its connection is reset instead. Resolves then. */
  loseRequest(which: Which): Promise<void>;
  /**
   * The next request that `which` picks is carried out by the service, but of its answer only the first `bytes` arrive (none by default)
   * before the connection is reset. Resolves then.
   */
  loseAnswer(which: Which, bytes?: number): Promise<void>;
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

  const losses: Loss[] = [];
  /** Connections whose next answer is lost. */
  const losing = new Map<Socket, Loss>();

  const forward = (from: Socket, to: Socket, fromClient: boolean): void => {
    let last = Promise.resolve();
    from.on('data', (whole: Buffer) => {
      const held = delayMs;
      const chunk = fromClient ? request(from, to, whole) : answer(from, to, whole);
      if (!chunk) return;
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

  /** What of it goes on to the service; undefined: nothing, and the connection is gone. */
  const request = (client: Socket, service: Socket, chunk: Buffer): Buffer | undefined => {
    const at = losing.has(service) ? -1 : losses.findIndex(({ which }) => which(chunk));
    const [loss] = at < 0 ? [] : losses.splice(at, 1);
    if (loss?.what === 'request') {
      client.resetAndDestroy();
      service.destroy();
      loss.done();
      return undefined;
    }
    if (loss) losing.set(service, loss);
    return chunk;
  };

  const answer = (service: Socket, client: Socket, chunk: Buffer): Buffer | undefined => {
    const loss = losing.get(service);
    if (!loss) return chunk;
    if (chunk.length <= loss.left) {
      loss.left -= chunk.length;
      return chunk;
    }
    losing.delete(service);
    client.write(chunk.subarray(0, loss.left), () => client.resetAndDestroy());
    service.destroy();
    loss.done();
    return undefined;
  };

  const lose = (what: Loss['what'], which: Which, left: number): Promise<void> =>
    new Promise((done) => losses.push({ what, which, left, done }));

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
        // One that said its last word properly is followed by `end`, after what is still to be delivered.
        if (!one.readableEnded) other.destroy();
        if (other.destroyed) pairs.delete(pair);
        // Gone before the answer came: the next request will do.
        const loss = losing.get(service);
        if (loss && losing.delete(service)) losses.unshift(loss);
      });
      forward(one, other, one === client);
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
    loseRequest: (which) => lose('request', which, 0),
    loseAnswer: (which, bytes = 0) => lose('answer', which, bytes),
    connections: () => pairs.size,
    close: () => {
      proxy.restore();
      resetAll();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return proxy;
}
