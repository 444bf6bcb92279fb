/**
 * REST as the pages speak it: JSON in and out, refusals as `Problem`, versions by `ETag` and `If-Match`, one
 * `Idempotency-Key` for each thing a person meant to do once.
 *
 * What may pass by itself is tried again here: a busy server says when, and a lost answer is asked for again where asking
 * twice does not do it twice. Knows nothing of the page: what a refusal leads to is hung in by `page.js`.
 */

const TRIES = 4;
const LONGEST_WAIT_S = 10; // a longer one is said to the person instead of waited for
const LOST_WAIT_S = 1;
const TIME_LIMIT_MS = 30_000;
const FILE_TIME_LIMIT_MS = 300_000;
const MAY_PASS = new Set([502, 503, 504]);

/**
 * @typedef {object} World  what the browser gives, and tests replace
 * @property {(path: string, init: RequestInit) => Promise<Response>} fetch
 * @property {(seconds: number) => Promise<void>} wait
 * @property {() => string} uuid
 *
 * @typedef {object} Answer
 * @property {number} status
 * @property {any} body
 * @property {string} etag  empty: there is none
 *
 * @typedef {object} Options
 * @property {Intent} [intent]  the same over retries of what is meant once
 * @property {string} [etag]  the version that was seen; `*`: whichever there is
 * @property {boolean} [open]  needs no session, so none is asked for; its answer is never kept, and asking again is harmless
 * @property {boolean} [proof]  carries a code or password: a 401 may mean that this was wrong, not that the session is over
 * @property {string} [file]  the media type of an answer that is a file: its body is a Blob
 * @property {(seconds: number) => void} [busy]  the server is busy, and is asked again after so many seconds
 */

/** @returns {World} */
export const browserWorld = () => ({
  fetch: (path, init) => fetch(path, init),
  wait: (seconds) => new Promise((done) => setTimeout(done, seconds * 1000)),
  uuid: () => crypto.randomUUID(),
});

/** A refusal, or that there was no answer: `code` is the server's, or `offline`. */
export class Problem extends Error {
  /**
   * @param {string} code
   * @param {object} [more]
   * @param {number} [more.status]
   * @param {string} [more.detail]  the server's own sentence, in English
   * @param {Map<string, string>} [more.faults]  member → what is wrong with it
   * @param {number} [more.retryAfterS]  0: not said
   * @param {any} [more.body]
   */
  constructor(code, { status = 0, detail = '', faults = new Map(), retryAfterS = 0, body = {} } = {}) {
    super(code);
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.faults = faults;
    this.retryAfterS = retryAfterS;
    this.body = body;
  }
}

/** One thing that a person means to do once, however often it is sent: pressing again after an error, too. */
export class Intent {
  #key = '';
  #about = '';

  /**
   * @param {string} about  what is sent; another content is another intention
   * @param {() => string} uuid
   */
  key(about, uuid) {
    if (!this.#key || this.#about !== about) [this.#key, this.#about] = [uuid(), about];
    return this.#key;
  }

  /** It was done: the next time is another. */
  done() {
    this.#key = '';
  }
}

export class Api {
  /** Called with every answer to a caller with a session: it was used. */
  onUse = () => {};
  /** The session is over. */
  onSignedOut = () => {};
  /** @type {() => Promise<boolean>} Ask the person to show again that it is them; whether they did. */
  prove = async () => false;

  /** @param {World} [world] */
  constructor(world = browserWorld()) {
    this.world = world;
  }

  /** @param {string} path @param {Options} [options] */
  get = (path, options) => this.#ask('GET', path, undefined, options);
  /** @param {string} path @param {unknown} [body] @param {Options} [options] */
  post = (path, body, options) => this.#ask('POST', path, body, options);
  /** @param {string} path @param {unknown} body @param {Options} [options] */
  put = (path, body, options) => this.#ask('PUT', path, body, options);
  /** @param {string} path @param {unknown} body  of what changes, by RFC 7396 @param {Options} [options] */
  patch = (path, body, options) => this.#ask('PATCH', path, body, options);
  /** @param {string} path @param {Options} [options] */
  delete = (path, options) => this.#ask('DELETE', path, undefined, options);

  /**
   * All items of a list, page after page, up to `most`.
   * @param {string} path
   * @param {number} [most]
   * @returns {Promise<any[]>}
   */
  async list(path, most = 1000) {
    const items = [];
    for (let cursor = ''; ; ) {
      const { body } = await this.get(cursor ? `${path}?cursor=${encodeURIComponent(cursor)}` : path);
      items.push(...body.items);
      cursor = body.next_cursor ?? '';
      if (!cursor || items.length >= most) return items;
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} body
   * @param {Options} [options]
   * @returns {Promise<Answer>}
   */
  async #ask(method, path, body, options = {}) {
    const intent = options.intent ?? new Intent();
    const answer = await this.#repeat(method, path, body, options, intent).catch(async (error) => {
      const provable = error instanceof Problem && error.code === 'prove-again';
      if (!provable || !(await this.prove())) throw error;
      return this.#repeat(method, path, body, options, intent);
    });
    intent.done();
    return answer;
  }

  /**
   * @param {string} method @param {string} path @param {unknown} body @param {Options} options @param {Intent} intent
   * @returns {Promise<Answer>}
   */
  async #repeat(method, path, body, options, intent) {
    const init = this.#init(method, path, body, options, intent);
    const harmless = method === 'GET' || options.open === true || 'idempotency-key' in init.headers;
    for (let left = TRIES - 1; ; left -= 1) {
      try {
        return await this.#once(path, init, options);
      } catch (error) {
        const wait = error instanceof Problem && harmless && left > 0 ? pause(error) : 0;
        if (!wait) throw error;
        options.busy?.(wait);
        await this.world.wait(wait);
      }
    }
  }

  /** @param {string} method @param {string} path @param {unknown} body @param {Options} options @param {Intent} intent */
  #init(method, path, body, { etag, open, file }, intent) {
    /** @type {Record<string, string>} */ const headers = { accept: `${file ?? 'application/json'}, application/problem+json` };
    const text = body === undefined ? undefined : JSON.stringify(body);
    if (text !== undefined) headers['content-type'] = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    if (etag) headers['if-match'] = etag;
    if (method !== 'GET' && !open) {
      headers['idempotency-key'] = `"${intent.key([method, path, text, etag].join('\n'), this.world.uuid)}"`;
    }
    return { method, headers, body: text, cache: /** @type {RequestCache} */ ('no-store') };
  }

  /** @param {string} path @param {RequestInit} init @param {Options} options @returns {Promise<Answer>} */
  async #once(path, init, options) {
    let response;
    let body = null;
    try {
      response = await this.world.fetch(path, { ...init, signal: AbortSignal.timeout(options.file ? FILE_TIME_LIMIT_MS : TIME_LIMIT_MS) });
      if (response.ok && options.file) body = await response.blob(); // half of a file is none
    } catch {
      throw new Problem('offline');
    }
    if (response.status !== 204 && !body) body = await response.json().catch(() => ({}));
    if (response.ok) {
      if (!options.open) this.onUse();
      return { status: response.status, body, etag: response.headers.get('etag') ?? '' };
    }
    if (response.status === 401 && !options.open && !(options.proof && (await this.#lives()))) this.onSignedOut();
    throw problem(response, body);
  }

  /** Whether the session still is. */
  async #lives() {
    const { status } = await this.world.fetch('/v1/me', { cache: 'no-store' }).catch(() => ({ status: 0 }));
    return status !== 401;
  }
}

/** How many seconds to wait before asking again; 0: do not. @param {Problem} problem */
function pause({ code, status, retryAfterS }) {
  if (code === 'offline') return LOST_WAIT_S;
  const passes = MAY_PASS.has(status) || code === 'idempotency-running';
  return passes && retryAfterS <= LONGEST_WAIT_S ? retryAfterS || LOST_WAIT_S : 0;
}

/** @param {Response} response @param {any} body */
function problem(response, body) {
  /** @type {[string, string][]} */
  const faults = (body.errors ?? []).map((/** @type {any} */ { pointer, detail }) => [pointer.split('/')[1] ?? '', detail]);
  return new Problem(body.code ?? (response.status === 503 ? 'unavailable' : 'internal'), {
    status: response.status,
    detail: body.detail,
    faults: new Map(faults),
    retryAfterS: seconds(response.headers.get('retry-after')),
    body,
  });
}

/** @param {string | null} header  seconds, or an HTTP date (RFC 9110 §10.2.3) */
function seconds(header) {
  if (!header) return 0;
  const number = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(number) ? Math.max(1, Math.ceil(number)) : 0;
}
