// Says what the demo does and how long each part of it took.

export function createPhases(write, nowMs) {
  return {
    /** Runs `work` under a name; a failure carries the name. */
    run: async (name, work) => {
      write(`  ${name} … `);
      const startMs = nowMs();
      try {
        const result = await work();
        write(`${((nowMs() - startMs) / 1000).toFixed(1)} s\n`);
        return result;
      } catch (error) {
        write('failed\n');
        throw error;
      }
    },
  };
}
