// How long the work of a killed worker lay still: from its end until all that was its own has another owner.

/** Which event of the log says that something was owned, and what it was. */
const OWNED = {
  poll: { event: 'poll.owned', what: ({ source }) => source },
  watch: { event: 'watch.owned', what: ({ partition }) => `p${partition}` },
  archive: { event: 'kafka.partition.owned', what: ({ topic, partition }) => `${topic}/${partition}` },
};

/** Give `noted` every line of every worker's log, and `killed` each kill. `measured()`: role → milliseconds, in order. */
export function createTakeovers(nowMs) {
  /** `role what` → the worker that owned it last. */
  const owners = new Map();
  /** Kills whose work has not all been taken over: {role, atMs, left: Set}. */
  let open = [];
  const found = { poll: [], archive: [], watch: [] };
  return {
    noted: (name, entry) => {
      for (const [role, { event, what }] of Object.entries(OWNED)) {
        if (entry.event !== event || !name.startsWith(role)) continue;
        const key = what(entry);
        owners.set(`${role} ${key}`, name);
        for (const kill of open) {
          if (kill.role !== role || !kill.left.delete(key) || kill.left.size > 0) continue;
          found[role].push(nowMs() - kill.atMs);
        }
        open = open.filter(({ left }) => left.size > 0);
      }
    },
    killed: (name) => {
      for (const role of Object.keys(OWNED)) {
        const left = new Set();
        for (const [key, owner] of owners) {
          if (owner !== name || !key.startsWith(`${role} `)) continue;
          left.add(key.slice(role.length + 1));
          owners.delete(key);
        }
        // What another kill waits for is measured from that one.
        for (const other of open) if (other.role === role) for (const key of other.left) left.delete(key);
        if (left.size > 0) open.push({ role, atMs: nowMs(), left });
      }
    },
    measured: () => found,
    /** What nobody has taken over yet. */
    open: () => open.map(({ role, left }) => `${role}: ${[...left].join(' ')}`),
  };
}
