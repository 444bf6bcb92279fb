/** Every catalogue says the same things: the same keys, and in each text the same names to fill in. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';

import { bestOf, count, fill } from '../../web/language.js';
import english from '../../web/texts/en.js';

/** @returns {[string, string][]} path → text */
function flat(value, path = '') {
  if (typeof value === 'string') return [[path, value]];
  return Object.entries(value).flatMap(([key, inner]) => flat(inner, `${path}/${key}`));
}

const names = (text) => [...text.matchAll(/{(\w+)}/g)].map(([, name]) => name).sort();
const catalogues = readdirSync(new URL('../../web/texts/', import.meta.url)).filter((name) => name !== 'en.js');

test('there is another language', () => assert.ok(catalogues.length > 0));

for (const name of catalogues) {
  const { default: other } = await import(`../../web/texts/${name}`);
  test(`${name} has the keys of en.js, in the same order`, () => {
    assert.deepEqual(flat(other).map(([path]) => path), flat(english).map(([path]) => path));
  });
  test(`${name} fills in the same names`, () => {
    const ours = new Map(flat(english));
    const differ = flat(other).filter(([path, text]) => names(text).join() !== names(ours.get(path) ?? '').join());
    assert.deepEqual(differ, []);
  });
  test(`${name} is translated`, () => {
    const ours = new Map(flat(english));
    const same = flat(other).filter(([path, text]) => text === ours.get(path) && text.split(' ').length > 2);
    assert.deepEqual(same, []);
  });
}

for (const [wanted, expected] of [
  [['es-MX', 'en'], 'es'],
  [['de', 'fr'], 'en'],
  [['de-DE', 'en-US', 'es'], 'en'],
  [['ES'], 'es'],
  [[], 'en'],
]) {
  test(`who reads ${wanted.join(', ') || 'nothing'} gets ${expected}`, () => assert.equal(bestOf(wanted), expected));
}

test('names are filled in; one without a value stays', () => assert.equal(fill('{a} and {b}', { a: '$&' }), '$& and {b}'));
test('numbers choose their form', () => {
  const forms = { one: '{n} thing', other: '{n} things' };
  assert.deepEqual([0, 1, 1234].map((n) => count(forms, n)), ['0 things', '1 thing', '1,234 things']);
});
