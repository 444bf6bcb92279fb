/** REST of the pages over a server that is played: what is sent, what is tried again, and what is told. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Api, Intent, Problem } from '../../web/api.js';

/** @param {...(object | Error)} answers  in the order they are given; an Error is a lost connection */
function play(...answers) {
  const sent = [];
  const waits = [];
  let n = 0;
  const api = new Api({
    fetch: async (path, { method, headers, body }) => {
      sent.push({ method, path, headers, body });
      const next = answers.shift();
      if (next instanceof Error) throw next;
      const { status = 200, body: content = {}, headers: back = {} } = next;
      return new Response(status === 204 ? null : JSON.stringify(content), { status, headers: back });
    },
    wait: async (seconds) => void waits.push(seconds),
    uuid: () => `uuid-${(n += 1)}`,
  });
  return { api, sent, waits };
}

const lost = new TypeError('Failed to fetch');
const busy = (after = '2') => ({ status: 503, headers: { 'retry-after': after }, body: { code: 'unavailable' } });

for (const [what, method, body, type] of [
  ['what is read has no body and no key', 'get', undefined, undefined],
  ['JSON is posted', 'post', { a: 1 }, 'application/json'],
  ['a change is a merge patch', 'patch', { a: null }, 'application/merge-patch+json'],
]) {
  test(what, async () => {
    const { api, sent } = play({});
    await (method === 'get' ? api.get('/v1/x') : api[method]('/v1/x', body));
    assert.equal(sent[0].headers['content-type'], type);
    assert.equal(sent[0].body, body && JSON.stringify(body));
    assert.equal(sent[0].headers['idempotency-key'], method === 'get' ? undefined : '"uuid-1"');
  });
}

test('a file is asked for as such, and is a blob', async () => {
  const { api, sent } = play({ body: 'bytes' });
  const { body } = await api.post('/v1/x', undefined, { file: 'application/zip' });
  assert.equal(sent[0].headers.accept, 'application/zip, application/problem+json');
  assert.deepEqual([body instanceof Blob, await body.text()], [true, '"bytes"']);
});

test('a refused file is told as everything else', async () => {
  const { api } = play({ status: 403, body: { code: 'prove-again' } });
  await assert.rejects(api.post('/v1/x', undefined, { file: 'application/zip' }), (error) => error.code === 'prove-again');
});

test('the version that was read is named by a change', async () => {
  const { api, sent } = play({ headers: { etag: '"3-abc"' }, body: { name: 'x' } }, {});
  const { etag, body } = await api.get('/v1/x');
  await api.patch('/v1/x', { name: `${body.name}y` }, { etag });
  assert.equal(sent[1].headers['if-match'], '"3-abc"');
});

for (const [what, answers, waits] of [
  ['busy, and again as it says', [busy('2'), busy('3'), {}], [2, 3]],
  ['a lost answer is asked for again', [lost, {}], [1]],
  ['the same is still running', [{ status: 409, body: { code: 'idempotency-running' }, headers: { 'retry-after': '2' } }, {}], [2]],
]) {
  test(`a keyed request, ${what}: the same key`, async () => {
    const { api, sent, waits: waited } = play(...answers);
    await api.post('/v1/x', {});
    assert.deepEqual(waited, waits);
    assert.equal(new Set(sent.map(({ headers }) => headers['idempotency-key'])).size, 1);
  });
}

for (const [what, answer, code, retryAfterS] of [
  ['too fast', { status: 429, body: { code: 'too-fast' }, headers: { 'retry-after': '30' } }, 'too-fast', 30],
  ['busy for long', busy('60'), 'unavailable', 60],
  ['refused', { status: 403, body: { code: 'forbidden' } }, 'forbidden', 0],
  ['an error page that is no JSON object', { status: 500, body: 'oops' }, 'internal', 0],
]) {
  test(`${what} is told at once`, async () => {
    const { api, sent } = play(answer);
    await assert.rejects(api.get('/v1/x'), (error) => {
      assert.ok(error instanceof Problem);
      assert.deepEqual([error.code, error.retryAfterS], [code, retryAfterS]);
      return true;
    });
    assert.equal(sent.length, 1);
  });
}

test('a server that stays away is given up', async () => {
  const { api, sent } = play(lost, lost, lost, lost, lost);
  await assert.rejects(api.get('/v1/x'), { code: 'offline' });
  assert.equal(sent.length, 4);
});

test('faults are told by member', async () => {
  const errors = [{ pointer: '/email', detail: 'no' }, { pointer: '/identifiers/0/value', detail: 'long' }];
  const { api } = play({ status: 400, body: { code: 'bad-input', errors } });
  await assert.rejects(api.post('/v1/x', {}), (error) => {
    assert.deepEqual([...error.faults], [['email', 'no'], ['identifiers', 'long']]);
    return true;
  });
});

test('an intention has one key until it is done, and another for another content', () => {
  const intent = new Intent();
  let n = 0;
  const uuid = () => String((n += 1));
  const first = [intent.key('a', uuid), intent.key('a', uuid), intent.key('b', uuid)];
  intent.done();
  assert.deepEqual([...first, intent.key('b', uuid)], ['1', '1', '2', '3']);
});

test('pressing again after an error sends the same key; after success a new one', async () => {
  const { api, sent } = play({ status: 429, body: {} }, {}, {});
  const intent = new Intent();
  await assert.rejects(api.post('/v1/x', {}, { intent }));
  await api.post('/v1/x', {}, { intent });
  await api.post('/v1/x', {}, { intent });
  assert.deepEqual(sent.map(({ headers }) => headers['idempotency-key']), ['"uuid-1"', '"uuid-1"', '"uuid-2"']);
});

test('who has to show again that it is them does, and it is sent again; who does not is refused', async () => {
  const stale = { status: 403, body: { code: 'prove-again' } };
  const { api, sent } = play(stale, {}, stale);
  api.prove = async () => true;
  await api.delete('/v1/x');
  assert.equal(sent.length, 2);
  api.prove = async () => false;
  await assert.rejects(api.delete('/v1/x'), { code: 'prove-again' });
});

test('a session that is over is told once; at the door a 401 is only an answer', async () => {
  const over = { status: 401, body: { code: 'not-authenticated' } };
  const { api } = play(over, over);
  let told = 0;
  api.onSignedOut = () => void (told += 1);
  await assert.rejects(api.get('/v1/me'), { status: 401 });
  await assert.rejects(api.post('/v1/sign-in/password', {}, { open: true }), { status: 401 });
  assert.equal(told, 1);
});

test('a wrong code is not taken for the end of the session, and the end is not for a wrong code', async () => {
  const refused = { status: 401, body: { code: 'not-authenticated' } };
  const { api } = play(refused, {}, refused, refused);
  const told = [];
  api.onSignedOut = () => void told.push('over');
  await assert.rejects(api.post('/v1/me/totp/confirm', { code: '1' }, { proof: true }), { status: 401 });
  assert.deepEqual(told, []);
  await assert.rejects(api.post('/v1/me/totp/confirm', { code: '1' }, { proof: true }), { status: 401 });
  assert.deepEqual(told, ['over']);
});

test('a list is read page by page', async () => {
  const { api, sent } = play({ body: { items: [1, 2], next_cursor: 'a+b' } }, { body: { items: [3], next_cursor: null } });
  assert.deepEqual(await api.list('/v1/x'), [1, 2, 3]);
  assert.equal(sent[1].path, '/v1/x?cursor=a%2Bb');
});
