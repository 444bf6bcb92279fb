/** Identity Toolkit over a service that is played: what is sent where, and what its refusals are called here. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Firebase, firebaseOf } from '../../web/firebase.js';

/** @param {...(object | Error)} answers */
function play(...answers) {
  const sent = [];
  const firebase = new Firebase({ url: 'https://toolkit.example', key: 'k&k' }, async (url, init) => {
    sent.push({ url, init, body: JSON.parse(init.body) });
    const next = answers.shift();
    if (next instanceof Error) throw next;
    return new Response(JSON.stringify(next.body ?? next), { status: next.status ?? 200 });
  });
  return { firebase, sent };
}

const refusal = (message, status = 400) => ({ status, body: { error: { code: status, message } } });
const APP = { mfaEnrollmentId: 'app', totpInfo: {} };
const PHONE = { mfaEnrollmentId: 'phone', phoneInfo: '+*******22' };

test('a password becomes an ID token, and no cookie goes along', async () => {
  const { firebase, sent } = play({ idToken: 't', refreshToken: 'not kept' });
  assert.deepEqual(await firebase.byPassword('a@b.c', 'p'), { idToken: 't' });
  assert.equal(sent[0].url, 'https://toolkit.example/v1/accounts:signInWithPassword?key=k%26k');
  assert.deepEqual(sent[0].body, { email: 'a@b.c', password: 'p', returnSecureToken: true });
  assert.deepEqual([sent[0].init.credentials, sent[0].init.referrerPolicy], ['omit', 'origin']);
});

test('a second factor is asked for: an app before a telephone', async () => {
  const { firebase } = play({ mfaPendingCredential: 'half', mfaInfo: [PHONE, APP] });
  const half = await firebase.byPassword('a@b.c', 'p');
  assert.equal(half.pending, 'half');
  assert.deepEqual(half.factors.map(({ kind }) => kind), ['totp', 'phone']);
});

test('a code of the app', async () => {
  const { firebase, sent } = play({ idToken: 't' });
  await firebase.second('half', { id: 'app', kind: 'totp', hint: '' }, '123456');
  assert.equal(sent[0].url.split('?')[0], 'https://toolkit.example/v2/accounts/mfaSignIn:finalize');
  assert.deepEqual(sent[0].body, { mfaPendingCredential: 'half', mfaEnrollmentId: 'app', totpVerificationInfo: { verificationCode: '123456' } });
});

test('a code of a telephone goes with the call', async () => {
  const factor = { id: 'phone', kind: 'phone', hint: '' };
  const { firebase, sent } = play({ phoneResponseInfo: { sessionInfo: 's' } }, { idToken: 't' });
  const session = await firebase.callPhone('half', factor);
  assert.deepEqual(await firebase.second('half', factor, '123456', session), { idToken: 't' });
  assert.deepEqual(sent[1].body, { mfaPendingCredential: 'half', phoneVerificationInfo: { sessionInfo: 's', code: '123456' } });
});

test('a link that was mailed', async () => {
  const { firebase, sent } = play({}, { idToken: 't' });
  await firebase.sendLink('a@b.c', 'https://clinic.example/sign-in');
  assert.deepEqual(await firebase.byLink('a@b.c', 'code'), { idToken: 't' });
  assert.equal(sent[0].body.requestType, 'EMAIL_SIGNIN');
  assert.deepEqual(sent[1].body, { email: 'a@b.c', oobCode: 'code' });
});

test('an app is set up', async () => {
  const { firebase, sent } = play({ totpSessionInfo: { sharedSecretKey: 'ABC', sessionInfo: 's' } }, { idToken: 'strong' });
  const app = await firebase.newApp('t');
  assert.deepEqual(app, { secret: 'ABC', session: 's' });
  assert.deepEqual(await firebase.confirmApp('t', app, '123456'), { idToken: 'strong' });
  assert.deepEqual(sent[1].body.totpVerificationInfo, { sessionInfo: 's', verificationCode: '123456' });
});

for (const [message, code] of [
  ['INVALID_LOGIN_CREDENTIALS', 'not-authenticated'],
  ['INVALID_PASSWORD', 'not-authenticated'],
  ['EMAIL_NOT_FOUND', 'not-authenticated'],
  ['USER_DISABLED', 'not-authenticated'],
  ['INVALID_OOB_CODE', 'not-authenticated'],
  ['INVALID_CODE', 'not-authenticated'],
  ['TOO_MANY_ATTEMPTS_TRY_LATER : Access was disabled for a while.', 'too-fast'],
  ['OPERATION_NOT_ALLOWED : The project has no such sign-in.', 'unavailable'],
  ['', 'unavailable'],
]) {
  test(`${message || 'a refusal without a word'} is ${code}`, async () => {
    await assert.rejects(play(refusal(message)).firebase.byPassword('a@b.c', 'p'), { code });
  });
}

test('a lost answer', async () => {
  await assert.rejects(play(new TypeError('Failed to fetch')).firebase.byPassword('a@b.c', 'p'), { code: 'offline' });
});

test('the server is asked once where people sign in, and again after it did not answer', async () => {
  let asked = 0;
  const api = (body) => ({ get: async () => ((asked += 1), body ?? Promise.reject(new Error('lost'))) });
  await assert.rejects(firebaseOf(api(null)));
  const { url } = await firebaseOf(api({ body: { firebase: { url: 'https://toolkit.example', key: 'k' } } }));
  await firebaseOf(api({ body: { firebase: null } }));
  assert.deepEqual([url, asked], ['https://toolkit.example', 2]);
});
