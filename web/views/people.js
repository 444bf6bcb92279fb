/** Who is in the visit, who waits and who is still awaited; the clinician admits from here. */

import { element } from '../element.js';
import { icon } from '../icons.js';
import { fill, texts } from '../language.js';
import { roleName } from '../words.js';
import { initials } from './tile.js';

/** @typedef {import('../messages.js').Participant} Participant */

/** @param {import('../protocol.js').Client} client */
export const whoWaits = (client) =>
  [...client.people.values()].filter((person) => person.phase === 'waiting' && person.seat !== client.seat);

/**
 * @param {import('../protocol.js').Client} client
 * @param {Participant} person
 */
export function admitButton(client, person) {
  return element(
    'button',
    {
      type: 'button',
      class: 'button small',
      'aria-label': fill(texts.visit.people.admitName, { name: person.name }),
      'data-test': 'admit',
      'data-seat': person.seat,
      onclick: () => client.admit(person.seat), // pressed twice, it is as good as once
    },
    icon('check'),
    texts.visit.people.admit,
  );
}

/**
 * @param {import('../protocol.js').Client} client
 * @param {() => void} close
 */
export function peopleView(client, close) {
  const groups = element('div', { class: 'people' });
  const shut = element('button', { type: 'button', class: 'plain', 'aria-label': texts.visit.people.close, onclick: close }, icon('close'));
  const root = element(
    'aside',
    { class: 'panel', id: 'people', 'aria-label': texts.visit.people.title, 'data-test': 'people-panel' },
    element('div', { class: 'panel-head' }, element('h2', {}, texts.visit.people.title), shut),
    groups,
  );
  let shown = '';
  const render = () => {
    const people = [...client.people.values()];
    const signature = JSON.stringify(people.map(({ seat, name, role, phase, microphone, camera }) => [seat, name, role, phase, microphone, camera]));
    if (signature === shown) return; // keeps the focus on a button that is still there
    shown = signature;
    const focused = document.activeElement instanceof HTMLElement && groups.contains(document.activeElement);
    groups.replaceChildren(
      ...group(client, texts.visit.people.waiting, people.filter(({ phase }) => phase === 'waiting')),
      ...group(client, texts.visit.people.present, people.filter(({ phase }) => phase === 'present')),
      ...group(client, texts.visit.people.away, people.filter(({ phase }) => phase === 'away')),
    );
    if (focused) (groups.querySelector('button') ?? shut).focus();
  };
  render();
  const off = client.on('people', render);
  return { root, focus: () => (groups.querySelector('button') ?? shut).focus(), close: off };
}

/**
 * @param {import('../protocol.js').Client} client
 * @param {string} title
 * @param {Participant[]} people
 */
function group(client, title, people) {
  if (people.length === 0) return [];
  const mayAdmit = client.self?.role === 'clinician';
  return [
    element('h3', {}, title),
    element(
      'ul',
      {},
      ...people.map((person) =>
        element(
          'li',
          { 'data-test': 'person', 'data-seat': person.seat, 'data-phase': person.phase },
          element('span', { class: 'avatar tiny', 'aria-hidden': 'true' }, initials(person.name)),
          element(
            'span',
            { class: 'who' },
            element('span', { class: 'name' }, person.seat === client.seat ? fill(texts.visit.youAs, { name: person.name }) : person.name),
            element('span', { class: 'role' }, roleName(person.role)),
          ),
          person.phase === 'present' && !person.microphone && icon('microphone-off'),
          person.phase === 'present' && !person.camera && icon('camera-off'),
          person.phase === 'waiting' && mayAdmit && admitButton(client, person),
        ),
      ),
    ),
  ];
}
