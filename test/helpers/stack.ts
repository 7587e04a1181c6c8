// The real services of this test run: `npm test` starts them and hands their addresses over in WARDWATCH_STACK_*.
import { randomBytes } from 'node:crypto';

export interface TestStack {
  /** mysql://… with the right to create databases and users. */
  readonly rdsUrl: string;
  readonly kafkaBrokers: readonly string[];
  readonly redisUrl: string;
  readonly snsEndpoint: string;
}

/** Throws, with what to do, where a test above unit level runs without a stack. */
export function testStack(): TestStack {
  const need = (name: string): string => {
    const value = process.env[`WARDWATCH_STACK_${name}`];
    if (!value) throw new Error(`WARDWATCH_STACK_${name} is not set: run this test with \`npm test -- FILE\``);
    return value;
  };
  return {
    rdsUrl: need('RDS_URL'),
    kafkaBrokers: need('KAFKA_BROKERS').split(','),
    redisUrl: need('REDIS_URL'),
    snsEndpoint: need('SNS_ENDPOINT'),
  };
}

/** A name no other test has: databases, topics, prefixes and groups of a test begin with it. */
export function uniqueName(what: string): string {
  return `wardwatch_test_${what}_${randomBytes(5).toString('hex')}`;
}
