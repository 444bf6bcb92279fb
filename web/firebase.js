/**
 * Firebase's Identity Toolkit as a page speaks it: plain requests, no script of Google's. What comes of a sign-in there is
 * an ID token, which this server exchanges once; nothing of it is kept, in this page or its storage.
 *
 * Knows nothing of the page: what is asked of a person in between is the business of `views/firebase.js`.
 */

import { Problem } from './api.js';

const TIME_LIMIT_MS = 20_000;

/** @type {Record<string, string>} what Identity Toolkit says → a code of our own; the rest is `unavailable` */
const CODES = {
  INVALID_LOGIN_CREDENTIALS: 'not-authenticated',
  INVALID_PASSWORD: 'not-authenticated',
  INVALID_EMAIL: 'not-authenticated',
  EMAIL_NOT_FOUND: 'not-authenticated',
  USER_DISABLED: 'not-authenticated',
  INVALID_OOB_CODE: 'not-authenticated',
  EXPIRED_OOB_CODE: 'not-authenticated',
  INVALID_CODE: 'not-authenticated',
  INVALID_MFA_PENDING_CREDENTIAL: 'not-authenticated',
  INVALID_VERIFICATION_CODE: 'not-authenticated',
  SESSION_EXPIRED: 'not-authenticated',
  TOO_MANY_ATTEMPTS_TRY_LATER: 'too-fast',
};

/**
 * @typedef {object} Factor  a second one
 * @property {string} id
 * @property {'totp' | 'phone'} kind
 * @property {string} hint  of a telephone, the digits that may be seen
 *
 * @typedef {{idToken: string}} SignedIn
 * @typedef {{pending: string, factors: Factor[]}} Half  the second factor is still asked for
 *
 * @typedef {{secret: string, session: string}} NewApp  to be confirmed by a code of it
 */

/** @type {Promise<Firebase | null> | null} asked once for each page */
let chosen = null;

/** Where people sign in, if that is Firebase here. @param {import('./api.js').Api} api @returns {Promise<Firebase | null>} */
export function firebaseOf(api) {
  chosen ??= api
    .get('/v1/sign-in', { open: true })
    .then(({ body }) => body.firebase && new Firebase(body.firebase))
    .catch((error) => {
      chosen = null;
      throw error;
    });
  return chosen;
}

export class Firebase {
  /** @param {{url: string, key: string}} place @param {(url: string, init: RequestInit) => Promise<Response>} [ask] */
  constructor({ url, key }, ask = (to, init) => fetch(to, init)) {
    this.url = url;
    this.key = key;
    this.ask = ask;
  }

  /** @param {string} email @param {string} password @returns {Promise<SignedIn | Half>} */
  async byPassword(email, password) {
    return result(await this.#call('v1/accounts:signInWithPassword', { email, password, returnSecureToken: true }));
  }

  /** Have a letter sent with a link that leads back to `page`. @param {string} email @param {string} page */
  async sendLink(email, page) {
    await this.#call('v1/accounts:sendOobCode', { requestType: 'EMAIL_SIGNIN', email, continueUrl: page, canHandleCodeInApp: true });
  }

  /** @param {string} email  to which the link was sent @param {string} code  of the link @returns {Promise<SignedIn | Half>} */
  async byLink(email, code) {
    return result(await this.#call('v1/accounts:signInWithEmailLink', { email, oobCode: code }));
  }

  /** Have a code sent to the telephone; return what goes with it. @param {string} pending @param {Factor} factor */
  async callPhone(pending, factor) {
    const { phoneResponseInfo } = await this.#call('v2/accounts/mfaSignIn:start', { mfaPendingCredential: pending, mfaEnrollmentId: factor.id, phoneSignInInfo: {} });
    return String(phoneResponseInfo.sessionInfo);
  }

  /**
   * @param {string} pending @param {Factor} factor @param {string} code @param {string} session  of a telephone's
   * @returns {Promise<SignedIn>}
   */
  async second(pending, factor, code, session = '') {
    const shown = factor.kind === 'totp' ? { mfaEnrollmentId: factor.id, totpVerificationInfo: { verificationCode: code } } : { phoneVerificationInfo: { sessionInfo: session, code } };
    return { idToken: (await this.#call('v2/accounts/mfaSignIn:finalize', { mfaPendingCredential: pending, ...shown })).idToken };
  }

  /** Begin to set up an authenticator app. @param {string} idToken @returns {Promise<NewApp>} */
  async newApp(idToken) {
    const { totpSessionInfo: made } = await this.#call('v2/accounts/mfaEnrollment:start', { idToken, totpEnrollmentInfo: {} });
    return { secret: made.sharedSecretKey, session: made.sessionInfo };
  }

  /** @param {string} idToken @param {NewApp} app @param {string} code @returns {Promise<SignedIn>} */
  async confirmApp(idToken, app, code) {
    const totpVerificationInfo = { sessionInfo: app.session, verificationCode: code };
    return { idToken: (await this.#call('v2/accounts/mfaEnrollment:finalize', { idToken, displayName: 'MediNova', totpVerificationInfo })).idToken };
  }

  /** @param {string} method @param {object} content @returns {Promise<any>} */
  async #call(method, content) {
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(content),
      credentials: /** @type {const} */ ('omit'),
      referrerPolicy: /** @type {const} */ ('origin'), // by which a key may be restricted to this server
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
    };
    let response;
    try {
      response = await this.ask(`${this.url}/${method}?key=${encodeURIComponent(this.key)}`, init);
    } catch {
      throw new Problem('offline');
    }
    const body = await response.json().catch(() => ({}));
    if (response.ok) return body;
    const [said] = String(body.error?.message ?? '').split(' ');
    throw new Problem(CODES[said] ?? 'unavailable', { status: response.status });
  }
}

/** @param {any} body @returns {SignedIn | Half} */
function result(body) {
  if (body.idToken) return { idToken: body.idToken };
  const factors = (body.mfaInfo ?? []).map((/** @type {any} */ each) => ({ id: each.mfaEnrollmentId, kind: each.phoneInfo ? 'phone' : 'totp', hint: each.phoneInfo ?? '' }));
  const order = (/** @type {Factor} */ { kind }) => Number(kind === 'phone'); // which may need a script of Google's
  return { pending: body.mfaPendingCredential ?? '', factors: factors.sort((/** @type {Factor} */ one, /** @type {Factor} */ other) => order(one) - order(other)) };
}
