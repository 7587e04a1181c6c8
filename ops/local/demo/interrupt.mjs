// Ctrl-C, SIGTERM and a closed terminal: the first asks for an orderly end, the second ends everything at once.
import { InterruptedError } from '../machine.mjs';

const EXIT_INTERRUPTED = 130;
/** npm passes on what the terminal has sent us already: two so close together are one. */
const SAME_WITHIN_MS = 500;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Answers {starting, started(), asked, endedAtOnce(), close()}: `starting` is an AbortSignal for what is being started, until started() says
 * that all of it runs; `asked` resolves whenever.
 * `endAtOnce()` kills what was started and removes what was made, without asking anybody.
 */
export function watchForInterrupt({ write, nowMs, endAtOnce }) {
  const controller = new AbortController();
  let resolveAsked;
  const asked = new Promise((resolve) => {
    resolveAsked = resolve;
  });
  let running = false;
  let lastMs = Number.NEGATIVE_INFINITY;
  let times = 0;
  const onSignal = () => {
    const again = nowMs() - lastMs > SAME_WITHIN_MS;
    lastMs = nowMs();
    if (!again) return;
    times += 1;
    if (times === 1) {
      resolveAsked();
      // Whoever listens to it kills what it started.
      if (!running) controller.abort(new InterruptedError('stopped before the ward was running'));
      write('\nstopping in order (Ctrl-C once more: at once)\n');
    } else if (times === 2) {
      write('\nending at once\n');
      endAtOnce()
        .catch((error) => write(`${error.message}; the next start cleans up\n`))
        .finally(() => process.exit(EXIT_INTERRUPTED));
    } else process.exit(EXIT_INTERRUPTED);
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return {
    starting: controller.signal,
    started: () => {
      controller.signal.throwIfAborted();
      running = true;
    },
    asked,
    /** Resolves unless everything is being ended at once: then what fails of it is no news, and the process exits. */
    endedAtOnce: () => (times < 2 ? Promise.resolve() : new Promise(() => undefined)),
    close: () => {
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
}
