// kafkajs's own modules as oracles, also where src/kafka/kafkajs.ts has put ours in their place in this process.
import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);

/** A module that is never replaced; its classes are those that kafkajs itself uses. `path` below kafkajs/src. */
export function kafkajsModule(path: string) {
  return load(`kafkajs/src/${path}`);
}

/** One of those that are replaced, as kafkajs has it. What that module itself imports is as this process has it. */
export function kafkajsOriginal(path: string) {
  const file = load.resolve(`kafkajs/src/${path}`);
  const replaced = load.cache[file];
  delete load.cache[file];
  try {
    return load(file);
  } finally {
    if (replaced) load.cache[file] = replaced;
  }
}
