// One budget of bytes over all buffers of the archive in a process: pressure writes the biggest, and too much makes intake wait.

/** A partition's rows in memory. */
export interface Buffered {
  /** Bytes that a flush would begin to write. */
  pendingBytes(): number;
  flush(): void;
}

/** From half the budget on the biggest buffer is written, so that reading goes on beside it; at the whole of it intake waits. */
const PRESSURE_AT = 0.5;

export interface ByteBudget {
  join(member: Buffered): void;
  leave(member: Buffered): void;
  /** Bytes are in memory from here … */
  take(bytes: number): void;
  /** … to here. */
  give(bytes: number): void;
  /** Begins to write the biggest buffer where there is pressure. */
  relieve(): void;
  full(): boolean;
  used(): number;
  /** Resolves at the next `give`. */
  given(): Promise<void>;
}

export function createByteBudget(limitBytes: number, onChange: (used: number) => void): ByteBudget {
  const members = new Set<Buffered>();
  let used = 0;
  let wake: () => void = () => undefined;
  let given = new Promise<void>((resolve) => {
    wake = resolve;
  });
  return {
    join: (member) => members.add(member),
    leave: (member) => members.delete(member),
    take: (bytes) => {
      used += bytes;
      onChange(used);
    },
    give: (bytes) => {
      used -= bytes;
      onChange(used);
      wake();
      given = new Promise<void>((resolve) => {
        wake = resolve;
      });
    },
    relieve: () => {
      // What is being written already will be given back: only the rest presses.
      const pending = [...members].map((member) => ({ member, bytes: member.pendingBytes() }));
      const sum = pending.reduce((total, { bytes }) => total + bytes, 0);
      if (sum < limitBytes * PRESSURE_AT && !(used >= limitBytes && sum === used)) return;
      pending.sort((a, b) => b.bytes - a.bytes)[0]?.member.flush();
    },
    full: () => used >= limitBytes,
    used: () => used,
    given: () => given,
  };
}
