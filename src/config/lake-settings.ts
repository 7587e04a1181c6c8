// The rows of the table of settings that concern the lake: where it lies, how it is written, how it is read from afar.
import * as p from './parsers.js';
import { row } from './setting-row.js';

const MINUTE = 60_000;
const MIB = 1_048_576;
const GIB = 1_024 * MIB;

export const LAKE_SETTINGS = {
  LAKE_URL: row({
    help: 'Where the Parquet lake lies, the same for all processes: a folder, or hdfs://host:port/path as Hadoop and Hive name it. Belongs to one deployment.',
    parse: p.lakeUrl,
    example: 'file:///data/lake',
    roles: ['archive', 'import', 'maintain'],
  }),
  HDFS_HTTP_URL: row({
    help: "Where the NameNode's WebHDFS answers, for a LAKE_URL on HDFS. Default: port 9870 of LAKE_URL's host.",
    parse: p.url('http'),
    example: 'http://namenode.example.org:9870',
  }),
  HDFS_USER: row({
    help: 'As whom HDFS is asked (simple authentication: HDFS believes it).',
    parse: p.hdfsUser,
    fallback: 'wardwatch',
    example: 'wardwatch',
  }),
  LAKE_CACHE: row({
    help: 'Folder in which `lake query` and `audit` keep copies of files of a lake on HDFS, for this user alone (they are patient data). Default: a folder of this user under the temporary folder.',
    parse: p.text,
    example: '/var/cache/wardwatch',
  }),
  LAKE_CACHE_BYTES: row({
    help: 'How large LAKE_CACHE grows: the copies unused for longest go first.',
    parse: p.integer(MIB, 1_024 * GIB),
    fallback: String(8 * GIB),
    unit: 'bytes',
    example: String(8 * GIB),
  }),
  ARCHIVE_FLUSH_MS: row({
    help: 'A file is written when its first row has waited this long,',
    parse: p.duration(100, 60 * MINUTE),
    fallback: '60000',
    unit: 'ms',
    example: '60000',
  }),
  ARCHIVE_FLUSH_ROWS: row({
    help: '… or this many rows wait,',
    parse: p.integer(1, 10_000_000),
    fallback: '500000',
    unit: 'rows',
    example: '500000',
  }),
  ARCHIVE_FLUSH_BYTES: row({
    help: '… or this many bytes, over all partitions of a process.',
    parse: p.integer(MIB, 4_096 * MIB),
    fallback: String(64 * MIB),
    unit: 'bytes',
    example: String(64 * MIB),
  }),
} as const;
