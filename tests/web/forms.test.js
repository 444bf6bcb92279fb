/** What the pages decide without a browser: where to go on, what is a join link, and two people changing one record. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { joinLink } from '../../web/pages/front.js';
import { difference, reconcile, valuesOf } from '../../web/pages/patients/fields.js';
import { whereTo } from '../../web/pages/sign-in.js';
import { may } from '../../web/rights.js';

const HERE = 'https://clinic.example';

for (const [search, path] of [
  ['', '/'],
  ['?next=/patients', '/patients'],
  ['?next=%2Fvisit%2Fvis-1%2Fsea-1', '/visit/vis-1/sea-1'],
  ['?next=https://evil.example/', '/'],
  ['?next=//evil.example/', '/'],
  ['?next=/\\evil.example/', '/'],
  ['?next=/%09/evil.example', '/'],
  ['?next=/..//evil.example', '/'],
  ['?next=javascript:alert(1)', '/'],
  ['?next=/sign-in', '/'],
  ['?next=', '/'],
]) {
  test(`after /sign-in${search} on to ${path}`, () => assert.equal(whereTo(search, HERE), path));
}

for (const [pasted, fits] of [
  [`${HERE}/join#abc`, true],
  [`  ${HERE}/join#abc\n`, true],
  [`${HERE}/join`, false],
  [`${HERE}/sign-in#abc`, false],
  ['https://evil.example/join#abc', false],
  ['nonsense', false],
]) {
  test(`${JSON.stringify(pasted)} is ${fits ? 'a' : 'no'} join link`, () => assert.equal(joinLink(pasted, HERE) !== null, fits));
}

const base = valuesOf({ given: 'Sam', family: 'Lee', birth_date: '1990-05-17', phone: '+12125550143', email: null });

for (const [what, mine, theirs, values, news, clashes] of [
  ['nobody else', { phone: '1' }, {}, { phone: '1' }, [], []],
  ['another field elsewhere', { phone: '1' }, { email: 'a@b.example' }, { phone: '1', email: 'a@b.example' }, ['email'], []],
  ['the same field, otherwise', { phone: '1' }, { phone: '2' }, { phone: '1' }, [], ['phone']],
  ['the same field, the same', { phone: '1' }, { phone: '1' }, { phone: '1' }, [], []],
  ['emptied elsewhere', {}, { phone: '' }, { phone: '' }, ['phone'], []],
]) {
  test(`a record changed in two places: ${what}`, () => {
    const found = reconcile(base, { ...base, ...mine }, { ...base, ...theirs });
    assert.deepEqual(found, { values: { ...base, ...values }, news, clashes });
  });
}

test('what is sent of a change is what differs, and null for what was emptied', () => {
  assert.deepEqual(difference(base, { ...base, phone: '', family: 'Li' }), { family: 'Li', phone: null });
});

for (const [roles, right, expected] of [
  [['clinician'], 'patients.find', true],
  [['interpreter'], 'people.list', false],
  [['billing', 'front-desk'], 'patients.merge', true],
]) {
  test(`${roles.join(' and ')}: ${right} is ${expected ? '' : 'not '}offered`, () => {
    assert.equal(may({ roles, second_factor_needed: false }, right), expected);
    assert.equal(may({ roles, second_factor_needed: true }, right), false);
  });
}
test('who works nowhere is offered nothing', () => assert.equal(may(null, 'people.list'), false));
