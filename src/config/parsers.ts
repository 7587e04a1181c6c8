// From the text of a setting to its value: each parser says, in words for the person who must mend it, what it wants.
import { validate as isCron } from 'node-cron';

/** What is wrong and what is wanted, without the setting's name and without its value. */
export class ParseError extends Error {
  override readonly name = 'ParseError';
}

export type Parse<T> = (text: string) => T;

const DURATION = /^(\d+)\s*(ms|s|m|h|d)?$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Not empty, on one line. */
export const text: Parse<string> = (value) => {
  if (value.trim() === '' || /[\r\n]/.test(value)) throw new ParseError('must be one line of text');
  return value.trim();
};

/** May be empty: a prefix. Letters, digits, '.', '_', '-', as Kafka allows in a topic's name. */
export const topicPrefix: Parse<string> = (value) => {
  if (!/^[A-Za-z0-9._-]{0,100}$/.test(value)) throw new ParseError("may hold only letters, digits, '.', '_' and '-'");
  return value;
};

export const redisPrefix: Parse<string> = (value) => {
  if (!/^[A-Za-z0-9._{}:-]{1,100}$/.test(value)) {
    throw new ParseError("must be letters, digits, '.', '_', '-', ':' or one part in braces");
  }
  return value;
};

/** A name of ours: it becomes part of job ids, Kafka's transactional ids and the ids of readings. */
export const slug: Parse<string> = (value) => {
  if (!/^(?=.*[a-z])[a-z0-9-]{1,60}$/.test(value)) {
    throw new ParseError("must be lower-case letters, digits and '-', at most 60, with one letter at least");
  }
  return value;
};

/** A whole number in the inclusive range. */
export function integer(low: number, high: number): Parse<number> {
  return (value) => {
    const n = Number(value.replaceAll('_', ''));
    if (!/^[0-9_]+$/.test(value) || n < low || n > high) {
      throw new ParseError(`must be a whole number from ${low} to ${high}`);
    }
    return n;
  };
}

/** `500ms`, `30s`, `15m`, `2h`, `7d`, or a bare number of milliseconds. Returns milliseconds. */
export function duration(lowMs: number, highMs: number): Parse<number> {
  return (value) => {
    const match = DURATION.exec(value.trim());
    const ms = match ? Number(match[1]) * (UNIT_MS[match[2] ?? 'ms'] ?? Number.NaN) : Number.NaN;
    if (!(ms >= lowMs && ms <= highMs)) {
      throw new ParseError(`must be a time like 500ms, 30s, 15m or 2h, from ${words(lowMs)} to ${words(highMs)}`);
    }
    return ms;
  };
}

/** Milliseconds as the largest unit that divides them: 900000 is `15m`. */
export function words(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = UNIT_MS[unit] ?? 1;
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}

export function choice<const T extends string>(...options: readonly T[]): Parse<T> {
  return (value) => {
    const found = options.find((option) => option === value.trim());
    if (found === undefined) throw new ParseError(`must be ${options.join(' or ')}`);
    return found;
  };
}

export const flag: Parse<boolean> = (value) => {
  if (/^(true|1|yes|on)$/i.test(value)) return true;
  if (/^(false|0|no|off)$/i.test(value)) return false;
  throw new ParseError('must be true or false');
};

/** A URL of one of these schemes, with a host. */
export function url(...schemes: readonly string[]): Parse<string> {
  const wanted = `must be a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`;
  return (value) => {
    const parsed = URL.canParse(value.trim()) ? new URL(value.trim()) : undefined;
    if (!parsed || !schemes.includes(parsed.protocol.slice(0, -1)) || parsed.hostname === '') {
      throw new ParseError(`${wanted} and names a host`);
    }
    return value.trim();
  };
}

/** An address that is shown to people: without a user, a query or a slash at its end. */
export const shownUrl: Parse<string> = (value) => {
  const parsed = new URL(url('http', 'https')(value));
  if (parsed.username !== '' || parsed.password !== '' || parsed.search !== '' || parsed.hash !== '')
    throw new ParseError('must be an address without user, password, query and fragment: it stands in e-mails');
  return parsed.href.replace(/\/+$/, '');
};

/** The URL of the hospital's database; its path is the database's name. */
export const mysqlUrl: Parse<string> = (value) => {
  const parsed = new URL(url('mysql')(value));
  if (!/^\/[^/]+$/.test(parsed.pathname)) {
    throw new ParseError('must name the database after the host: mysql://user:password@host:3306/database');
  }
  return value.trim();
};

/** `host:port`, several parted by commas. */
export const brokers: Parse<readonly string[]> = (value) => {
  const list = value
    .split(',')
    .map((broker) => broker.trim())
    .filter((broker) => broker !== '');
  if (list.length === 0 || !list.every((broker) => /^[^\s:/]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/.test(broker))) {
    throw new ParseError('must be host:port, several parted by commas');
  }
  return list;
};

export const topicArn: Parse<string> = (value) => {
  if (!/^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$/.test(value.trim())) {
    throw new ParseError(
      'must be the ARN of a standard SNS topic (a .fifo topic sends no e-mail): arn:aws:sns:region:account:name',
    );
  }
  return value.trim();
};

/** A folder (an absolute path or file:// URL) or hdfs://host:port/path. Returns the path or URL as it stands. */
export const lakeUrl: Parse<string> = (value) => {
  const lake = value.trim();
  if (lake.startsWith('/')) return lake.replace(/(?<=.)\/+$/, '');
  if (/^file:\/\/\/./.test(lake)) return lake.replace(/\/+$/, '');
  if (/^hdfs:\/\/[^/@?#]+\/[^?#]*[^/?#]\/*$/.test(lake) && URL.canParse(lake)) return lake.replace(/\/+$/, '');
  throw new ParseError('must be an absolute folder, /data/lake or file:///data/lake, or hdfs://namenode:8020/path');
};

/** As Hadoop's WebHDFS takes them (dfs.webhdfs.user.provider.user.pattern). */
export const hdfsUser: Parse<string> = (value) => {
  if (!/^[A-Za-z_][A-Za-z0-9._-]{0,99}$/.test(value.trim())) throw new ParseError('must be the name of a user of HDFS');
  return value.trim();
};

/** How a schedule reads that never ticks by itself. */
export const CRON_OFF = 'off';

/** Five or six fields as node-cron reads them, or `off`. */
export const cron: Parse<string> = (value) => {
  const expression = value.trim();
  if (expression !== CRON_OFF && !isCron(expression)) {
    throw new ParseError("must be five cron fields in UTC, like '15 2 * * *' (daily) or '15 2 * * 0' (weekly), or off");
  }
  return expression;
};

/** An IANA name. */
export const timeZone: Parse<string> = (value) => {
  const zone = value.trim();
  try {
    if (!/^[A-Za-z]/.test(zone)) throw new RangeError(zone);
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone;
  } catch {
    throw new ParseError('must be a time zone like UTC or Europe/Berlin');
  }
};

/** `end`, `beginning` or an id. */
export const pollStart: Parse<string> = (value) => {
  if (!/^(end|beginning|\d{1,20})$/.test(value.trim())) throw new ParseError('must be end, beginning or a row id');
  return value.trim();
};
