// Says what the demo does and how long each part of it took.

/** `signal`: no further phase begins once it is aborted. */
export function createPhases(write, nowMs, signal) {
  return {
    /** Runs `work` under a name. */
    run: async (name, work) => {
      signal?.throwIfAborted();
      write(`  ${name} … `);
      const startMs = nowMs();
      try {
        const result = await work();
        write(`${((nowMs() - startMs) / 1000).toFixed(1)} s\n`);
        return result;
      } catch (error) {
        write(signal?.aborted ? 'stopped\n' : 'failed\n');
        throw error;
      }
    },
  };
}
