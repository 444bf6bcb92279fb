/** A seat as the server's REST interface shows it to its holder, before and outside the signalling session. */

/**
 * @typedef {object} Seat
 * @property {string} visit
 * @property {import('./messages.js').VisitState} state
 * @property {string} seat
 * @property {string} role
 * @property {string} name
 * @property {string} clinic
 * @property {boolean} admitted
 * @property {number} protocol
 *
 * @typedef {keyof import('./language.js').Texts['visit']['pages']} PageName
 */

/** Whether trying again may help. @param {PageName} page */
export const mayPass = (page) => page === 'offline' || page === 'too-fast' || page === 'trouble';

/** A request that failed, as the page to show for it. */
export class Refused extends Error {
  /** @param {PageName} page */
  constructor(page) {
    super(page);
    this.page = page;
  }
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<{status: number, body: any}>}
 */
async function request(path, init) {
  let response;
  try {
    response = await fetch(path, { cache: 'no-store', ...init });
  } catch {
    throw new Refused('offline');
  }
  const body = await response.json().catch(() => ({}));
  if (response.status === 429) throw new Refused('too-fast');
  if (response.status >= 500) throw new Refused(response.status === 503 ? 'offline' : 'trouble');
  return { status: response.status, body };
}

/**
 * Trade a join link's token for the seat's cookie.
 * @param {string} token
 * @returns {Promise<string>} the path of the seat's page
 */
export async function exchange(token) {
  const { status, body } = await request('/v1/links/exchange', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token, want: 'cookie' }),
  });
  if (status === 200) return body.path;
  if (body.code === 'wrong-state') throw new Refused('ended');
  if (body.code === 'link-expired') throw new Refused('link-expired');
  if (body.code === 'link-revoked') throw new Refused('revoked');
  throw new Refused('link-invalid');
}

/**
 * @param {string} visit
 * @param {string} seat
 * @returns {Promise<Seat>}
 */
export async function readSeat(visit, seat) {
  const { status, body } = await request(`/v1/visits/${visit}/seats/${seat}`);
  if (status === 200) return body;
  if (status === 404 || status === 410) throw new Refused('not-found');
  if (body.code === 'link-revoked') throw new Refused('revoked');
  if (status === 401 || status === 403) throw new Refused('no-seat');
  throw new Refused('trouble');
}
