import { expect, it } from 'vitest';
import { LakePathError } from '../../../src/lake/errors.js';
import { isOnHdfs, openLake, webHdfsUrl } from '../../../src/lake/open-lake.js';

it('takes LAKE_URL as Hadoop names it, and WebHDFS on its usual port of that host unless told otherwise', () => {
  const open = (url: string) => openLake({ url, hdfsUser: 'ward' });
  expect(open('hdfs://nn.example.org:8020/data/lake/').url).toBe('hdfs://nn.example.org:8020/data/lake');
  expect(open('/data/lake').url).toBe('file:///data/lake');
  expect([isOnHdfs('hdfs://nn/lake'), isOnHdfs('/hdfs:/lake')]).toEqual([true, false]);
  expect(webHdfsUrl('hdfs://nn.example.org:8020/lake', undefined)).toBe('http://nn.example.org:9870');
  expect(webHdfsUrl('hdfs://nameservice1/lake', 'http://nn2:50070/')).toBe('http://nn2:50070');
  for (const url of ['s3://bucket/lake', 'hdfs:///lake']) expect(() => open(url)).toThrow(LakePathError);
});
