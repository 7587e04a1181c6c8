// Parsers: what each setting takes, and that it says what it wants where it doesn't.
import { expect, it } from 'vitest';
import * as p from '../../../src/config/parsers.js';

it.each([
  ['15m', 900_000],
  ['30s', 30_000],
  ['250', 250],
  ['250ms', 250],
  ['2 h', 7_200_000],
])('reads the duration %s', (text, ms) => {
  expect(p.duration(0, 86_400_000)(text)).toBe(ms);
});

it.each(['', '-1s', '1w', '1.5s', '25h', 's', '1m30s'])('refuses the duration %j', (text) => {
  expect(() => p.duration(0, 86_400_000)(text)).toThrow('from 0ms to 1d');
});

it('writes durations in their largest whole unit', () => {
  expect([900_000, 90_000, 1_500, 86_400_000].map(p.words)).toEqual(['15m', '90s', '1500ms', '1d']);
});

const accepted: [string, p.Parse<unknown>, string][] = [
  ['integer', p.integer(1, 10), '10'],
  ['mysqlUrl', p.mysqlUrl, 'mysql://u:p%40ss@h/db'],
  ['url', p.url('redis', 'rediss'), 'rediss://:pw@h:6380/1'],
  ['brokers', p.brokers, 'a:9092,[::1]:9093'],
  ['topicArn', p.topicArn, 'arn:aws-us-gov:sns:us-gov-west-1:123456789012:doctors'],
  ['lakeUrl', p.lakeUrl, '/data/lake'],
  ['lakeUrl', p.lakeUrl, 'hdfs://nn.example.org:8020/data/lake/'],
  ['hdfsUser', p.hdfsUser, 'ward.watch-1'],
  ['cron', p.cron, '*/5 * * * *'],
  ['cron', p.cron, 'off'],
  ['timeZone', p.timeZone, 'Europe/Berlin'],
  ['pollStart', p.pollStart, '18446744073709551615'],
  ['slug', p.slug, 'st-marys-2'],
  ['topicPrefix', p.topicPrefix, ''],
  ['redisPrefix', p.redisPrefix, '{ww}'],
  ['flag', p.flag, 'on'],
  ['choice', p.choice('a', 'b'), 'b'],
];
it.each(accepted)('%s takes its kind', (_name, parse, text) => {
  expect(() => parse(text)).not.toThrow();
});

const refused: [string, p.Parse<unknown>, string][] = [
  ['integer', p.integer(1, 10), '11'],
  ['integer', p.integer(1, 10), '1e1'],
  ['mysqlUrl', p.mysqlUrl, 'mysql://h:3306'],
  ['mysqlUrl', p.mysqlUrl, 'postgres://h/db'],
  ['url', p.url('redis'), 'redis://'],
  ['brokers', p.brokers, 'kafka://a:9092'],
  ['brokers', p.brokers, ','],
  ['topicArn', p.topicArn, 'arn:aws:sns:eu-west-2:1234:doctors'],
  ['lakeUrl', p.lakeUrl, 's3://bucket/lake'],
  ['lakeUrl', p.lakeUrl, './lake'],
  ['lakeUrl', p.lakeUrl, 'hdfs://nn:8020/'],
  ['lakeUrl', p.lakeUrl, 'hdfs://user:secret@nn:8020/lake'],
  ['lakeUrl', p.lakeUrl, 'hdfs://nn:8020/lake?x=1'],
  ['hdfsUser', p.hdfsUser, 'a&op=DELETE'],
  ['cron', p.cron, '61 * * * *'],
  ['timeZone', p.timeZone, 'Mars/Olympus'],
  ['timeZone', p.timeZone, '+02:00'],
  ['pollStart', p.pollStart, 'middle'],
  ['slug', p.slug, 'St Marys'],
  ['slug', p.slug, '42'],
  ['topicPrefix', p.topicPrefix, 'a b'],
  ['redisPrefix', p.redisPrefix, ''],
  ['flag', p.flag, 'maybe'],
  ['text', p.text, 'two\nlines'],
  ['choice', p.choice('a', 'b'), 'c'],
];
it.each(refused)('%s refuses what is none: case %#', (_name, parse, text) => {
  expect(() => parse(text)).toThrow(/must|may/);
});
