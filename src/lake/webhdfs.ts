// HDFS by its REST interface (WebHDFS) with simple authentication: the few calls that the store needs, each bounded in time and size.
import { Agent, type IncomingMessage, request } from 'node:http';
import { HdfsError } from './errors.js';

/** Bytes flow to and from DataNodes; no byte for this long, and the call fails. */
const IDLE_LIMIT_MS = 20_000;
/** A NameNode's answer, from the first byte to the last. */
const NAME_NODE_LIMIT_MS = 20_000;
/** A whole file to or from a DataNode. */
const DATA_LIMIT_MS = 300_000;
/** A page of a listing is at most 1,000 entries (dfs.ls.limit) of some 300 bytes. */
const ANSWER_MAX_BYTES = 16 * 1_048_576;
/** Node's buffers end at 4 GiB; a file of the lake is far smaller. */
const FILE_MAX_BYTES = 2_048 * 1_048_576;
const CONNECTIONS = 16;
const HTTP_OK = 200;
const HTTP_CREATED = 201;
const HTTP_REDIRECT = 307;
const REASON_MAX = 300;

/** HDFS's exceptions as the code that the same trouble has on a disk; all others are EIO. */
const CODES: Readonly<Record<string, string>> = {
  AccessControlException: 'EACCES',
  DSQuotaExceededException: 'EDQUOT',
  NSQuotaExceededException: 'EDQUOT',
  QuotaByStorageTypeExceededException: 'EDQUOT',
  FileAlreadyExistsException: 'EEXIST',
  FileNotFoundException: 'ENOENT',
  RetriableException: 'EAGAIN',
  SafeModeException: 'EROFS',
  StandbyException: 'EAGAIN',
};

export interface HdfsEntry {
  readonly name: string;
  readonly folder: boolean;
  readonly bytes: number;
  readonly modifiedMs: number;
}

/** Absolute paths of HDFS. Every failure is an HdfsError; one without `exception` leaves the outcome unknown. Nothing is tried twice. */
export interface WebHdfs {
  /** A new file, and the folders above it. When it resolves the file is closed and as long as it should be. */
  create(path: string, bytes: Uint8Array): Promise<void>;
  /** Atomic. Refuses a target that is there (FileAlreadyExistsException) unless `replace`. */
  rename(from: string, to: string, replace: boolean): Promise<void>;
  mkdirs(path: string): Promise<void>;
  /** A file or an empty folder; false where there was none. */
  remove(path: string): Promise<boolean>;
  open(path: string): Promise<Uint8Array>;
  /** Undefined where there is nothing. */
  status(path: string): Promise<HdfsEntry | undefined>;
  /** Throws AccessControlException where the user may not do `actions` (as in `rwx`) there. */
  access(path: string, actions: string): Promise<void>;
  /** All pages. Empty where there is no folder of that name. */
  list(path: string): Promise<readonly HdfsEntry[]>;
  /** How many copies a file gets, unless said otherwise. */
  replication(): Promise<number>;
}

export interface WebHdfsOptions {
  /** http://host:port of the NameNode's web server. */
  readonly httpUrl: string;
  readonly user: string;
  /** The limits above, for tests. */
  readonly limits?: { readonly idleMs: number; readonly nameNodeMs: number; readonly dataMs: number };
}

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: Buffer;
}

interface Sending {
  readonly method: string;
  readonly body?: Uint8Array;
  readonly limitMs: number;
  readonly maxBytes: number;
}

export function createWebHdfs({ httpUrl, user, limits }: WebHdfsOptions): WebHdfs {
  const { idleMs, nameNodeMs, dataMs } = limits ?? {
    idleMs: IDLE_LIMIT_MS,
    nameNodeMs: NAME_NODE_LIMIT_MS,
    dataMs: DATA_LIMIT_MS,
  };
  // A connection a call: one that is kept may be closed by the other side at the very moment in which a rename goes out
  // on it, and a rename must not be sent twice.
  const agent = new Agent({ keepAlive: false, maxSockets: CONNECTIONS });

  /** node:http and not fetch: a DataNode sends an unasked `100 Continue`, which fetch takes for an error. */
  const send = (what: string, url: URL, { method, body, limitMs, maxBytes }: Sending): Promise<Answer> =>
    new Promise((resolve, reject) => {
      let answering = false;
      const fail = (error: Error) => reject(unanswered(what, error));
      const outgoing = request(url, {
        method,
        agent,
        signal: AbortSignal.timeout(limitMs),
        headers: method === 'PUT' ? { 'content-length': body?.byteLength ?? 0 } : {},
      });
      outgoing.setTimeout(idleMs, () => outgoing.destroy(timedOut(idleMs)));
      // A refusal may come before all bytes are out, and the connection then breaks under the rest.
      outgoing.on('error', (error) => {
        if (!answering) fail(error);
      });
      outgoing.on('response', (response) => {
        answering = true;
        collect(response, maxBytes).then(
          (bytes) => resolve({ status: response.statusCode ?? 0, location: response.headers.location, body: bytes }),
          fail,
        );
      });
      outgoing.end(body);
    });

  const urlOf = (path: string, op: string, parameters: Readonly<Record<string, string>>): URL => {
    const url = new URL(`${httpUrl}/webhdfs/v1${path.split('/').map(encodeURIComponent).join('/')}`);
    url.search = new URLSearchParams({ op, 'user.name': user, ...parameters }).toString();
    return url;
  };

  /** One call to the NameNode. Throws what it refuses. */
  const ask = async (method: string, path: string, op: string, parameters = {}, wanted = HTTP_OK): Promise<Answer> => {
    const what = `${op} ${path}`;
    const sending = { method, limitMs: nameNodeMs, maxBytes: ANSWER_MAX_BYTES };
    const answer = await send(what, urlOf(path, op, parameters), sending);
    if (answer.status !== wanted) throw refusal(what, answer);
    return answer;
  };

  /** The NameNode names a DataNode, which takes or gives the bytes. */
  const toDataNode = async (method: string, path: string, op: string, parameters: object, body?: Uint8Array) => {
    const what = `${op} ${path}`;
    const { location } = await ask(method, path, op, parameters, HTTP_REDIRECT);
    if (location === undefined || !URL.canParse(location) || new URL(location).protocol !== 'http:')
      throw new HdfsError(`${what}: the NameNode names no DataNode that speaks http`, 'EIO', { exception: 'redirect' });
    const maxBytes = method === 'GET' ? FILE_MAX_BYTES : ANSWER_MAX_BYTES;
    return send(what, new URL(location), { method, limitMs: dataMs, maxBytes, ...(body ? { body } : {}) });
  };

  const status = async (path: string): Promise<HdfsEntry | undefined> => {
    const { body } = await ask('GET', path, 'GETFILESTATUS').catch(onMissing({ body: undefined }));
    return body && entryOf((parse(`GETFILESTATUS ${path}`, body) as { FileStatus: FileStatus }).FileStatus);
  };

  return {
    create: async (path, bytes) => {
      const answer = await toDataNode('PUT', path, 'CREATE', { overwrite: 'false' }, bytes);
      if (answer.status !== HTTP_CREATED) throw refusal(`CREATE ${path}`, answer);
      const length = (await status(path))?.bytes;
      if (length !== bytes.byteLength)
        throw new HdfsError(`CREATE ${path}: ${length} of ${bytes.byteLength} bytes are there`, 'EIO', {
          exception: 'length',
        });
    },
    rename: async (from, to, replace) => {
      // Without renameoptions HDFS answers `false` for three different causes, and moves into a folder of that name.
      await ask('PUT', from, 'RENAME', { destination: to, renameoptions: replace ? 'OVERWRITE' : 'NONE' });
    },
    mkdirs: async (path) => {
      await ask('PUT', path, 'MKDIRS');
    },
    remove: async (path) => {
      const { body } = await ask('DELETE', path, 'DELETE', { recursive: 'false' });
      return (parse(`DELETE ${path}`, body) as { boolean: boolean }).boolean;
    },
    open: async (path) => {
      const answer = await toDataNode('GET', path, 'OPEN', {});
      if (answer.status !== HTTP_OK) throw refusal(`OPEN ${path}`, answer);
      return answer.body;
    },
    status,
    access: async (path, actions) => {
      await ask('GET', path, 'CHECKACCESS', { fsaction: actions });
    },
    list: async (path) => {
      const found: HdfsEntry[] = [];
      for (;;) {
        const last = found.at(-1);
        const parameters = last ? { startAfter: last.name } : {};
        const answer = await ask('GET', path, 'LISTSTATUS_BATCH', parameters).catch(onMissing(undefined));
        if (!answer) return found;
        const { DirectoryListing } = parse(`LISTSTATUS_BATCH ${path}`, answer.body) as Page;
        const page = DirectoryListing.partialListing.FileStatuses.FileStatus.map(entryOf);
        // A file is listed as its own only entry, without a name.
        found.push(...page.filter(({ name }) => name !== ''));
        if (DirectoryListing.remainingEntries === 0 || page.length === 0) return found;
      }
    },
    replication: async () => {
      const { body } = await ask('GET', '/', 'GETSERVERDEFAULTS');
      return (parse('GETSERVERDEFAULTS', body) as { FsServerDefaults: { replication: number } }).FsServerDefaults
        .replication;
    },
  };
}

interface FileStatus {
  readonly pathSuffix: string;
  readonly type: string;
  readonly length: number;
  readonly modificationTime: number;
}

interface Page {
  readonly DirectoryListing: {
    readonly partialListing: { readonly FileStatuses: { readonly FileStatus: readonly FileStatus[] } };
    readonly remainingEntries: number;
  };
}

function entryOf({ pathSuffix, type, length, modificationTime }: FileStatus): HdfsEntry {
  return { name: pathSuffix, folder: type === 'DIRECTORY', bytes: length, modifiedMs: modificationTime };
}

/** The whole body. Rejects where it ends early or is longer than `maxBytes`. */
async function collect(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).byteLength;
    if (size > maxBytes) throw Object.assign(new Error(`more than ${maxBytes} bytes`), { code: 'EFBIG' });
  }
  const length = response.headers['content-length'];
  const cut = !response.complete || (length === undefined && response.headers['transfer-encoding'] === undefined);
  // Without either, an answer that was cut off looks whole.
  if (cut && size > 0) throw Object.assign(new Error('the answer ends early'), { code: 'ECONNRESET' });
  return Buffer.concat(chunks);
}

function refusal(what: string, { status, body }: Answer): HdfsError {
  const { exception, message } = exceptionOf(body) ?? { exception: `HTTP ${status}`, message: '' };
  const [line = ''] = message.split('\n');
  return new HdfsError(
    `${what}: ${exception}${line === '' ? '' : `: ${line.slice(0, REASON_MAX)}`}`,
    CODES[exception] ?? 'EIO',
    { exception },
  );
}

function exceptionOf(body: Buffer): { readonly exception: string; readonly message: string } | undefined {
  try {
    const { RemoteException } = JSON.parse(body.toString()) as { RemoteException?: Record<string, unknown> };
    if (!RemoteException) return undefined;
    return { exception: String(RemoteException.exception), message: String(RemoteException.message) };
  } catch {
    return undefined;
  }
}

function parse(what: string, body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch (cause) {
    throw new HdfsError(`${what}: the answer is no JSON: is HDFS_HTTP_URL a NameNode's?`, 'EIO', {
      exception: 'JSON',
      cause,
    });
  }
}

/** No answer, or not all of it. */
function unanswered(what: string, cause: Error): HdfsError {
  const { code, name } = cause as NodeJS.ErrnoException;
  const known = name === 'AbortError' || name === 'TimeoutError' ? 'ETIMEDOUT' : code;
  return new HdfsError(`${what}: no answer (${known ?? name})`, known ?? 'EIO', { cause });
}

function timedOut(ms: number): Error {
  return Object.assign(new Error(`nothing for ${ms} ms`), { code: 'ETIMEDOUT' });
}

/** For `catch`: this answer where HDFS says that there is no such file. */
function onMissing<T>(answer: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof HdfsError && error.exception === 'FileNotFoundException') return answer;
    throw error;
  };
}
