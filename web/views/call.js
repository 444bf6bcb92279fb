/** The live call: stage, controls, and beside them the chat or the people. */

import { announce } from '../announcer.js';
import { element, setText } from '../element.js';
import { icon, networkBars } from '../icons.js';
import { fill, texts } from '../language.js';
import { roleName } from '../words.js';
import { chatView } from './chat.js';
import { controlsView } from './controls.js';
import { openDevices, openLeave } from './dialogs.js';
import { admitButton, peopleView, whoWaits } from './people.js';
import { stageView } from './stage.js';

/**
 * @param {object} given
 * @param {import('../seat.js').Seat} given.seat
 * @param {import('../devices.js').Devices} given.devices
 * @param {import('../protocol.js').Client} given.client
 * @param {() => void} given.share
 */
export function callView({ seat, devices, client, share }) {
  const clinician = seat.role === 'clinician';
  /** @type {import('./controls.js').PanelName | null} */ let open = null;
  /** @type {{root: HTMLElement, focus: () => void, close: () => void} | null} */ let panel = null;
  let unread = 0;

  const heading = element('h1', { class: 'unseen', tabindex: '-1' }, texts.visit.call.region);
  const stage = stageView(client, devices);
  const door = element('div', { class: 'door', role: 'status' });
  const network = element('span', { class: 'network-own', 'data-test': 'network' }, networkBars(), element('span'));
  const controls = controlsView({
    devices,
    share,
    toggle: (name) => (open === name ? shut() : show(name)),
    leave: () => (clinician ? openLeave({ leave: () => client.leave(), end: () => client.end() }) : client.leave()),
  });
  const body = element('div', { class: 'call-body' }, stage.root);
  const root = element(
    'main',
    {
      class: 'call',
      'data-test': 'page-call',
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key === 'Escape' && open) shut();
      },
    },
    element(
      'header',
      { class: 'topbar' },
      heading,
      element('span', { class: 'clinic' }, seat.clinic),
      network,
      element(
        'button',
        { type: 'button', class: 'control compact', title: texts.visit.devices.title, onclick: () => openDevices(devices), 'data-test': 'devices' },
        icon('devices'),
        element('span', { class: 'control-name' }, texts.visit.call.devices),
      ),
    ),
    door,
    body,
    controls.root,
  );

  /** @param {import('./controls.js').PanelName} name */
  function show(name) {
    shut(false);
    open = name;
    panel = name === 'chat' ? chatView(client, () => shut()) : peopleView(client, () => shut());
    if (name === 'chat') unread = 0;
    body.append(panel.root);
    root.classList.add('with-panel');
    render();
    panel.focus();
  }

  function shut(refocus = true) {
    const was = open;
    panel?.close();
    panel?.root.remove();
    panel = open = null;
    root.classList.remove('with-panel');
    render();
    if (was && refocus) controls.focus(was);
  }

  function render() {
    const waiting = clinician ? whoWaits(client) : [];
    controls.render(open, unread, waiting.length);
    const mark = client.quality.mark;
    const connecting = client.media === 'connecting';
    network.dataset.mark = mark;
    network.hidden = mark === 'unknown' && !connecting; // for the second until the first measurement
    setText(/** @type {Element} */ (network.lastChild), connecting ? texts.visit.call.connecting : (texts.visit.call.network[mark] ?? ''));
    root.dataset.media = client.media;
    const hadFocus = door.contains(document.activeElement);
    renderDoor(door, client, open === 'people' ? [] : waiting);
    if (hadFocus && !door.contains(document.activeElement)) (door.querySelector('button') ?? heading).focus();
  }

  render();
  const offs = [
    devices.on('changed', render),
    client.on('people', render),
    client.on('media', render),
    client.on('network', render),
    client.on('line', ({ line, fresh }) => {
      if (!fresh || line.seat === client.seat || open === 'chat') return;
      unread += 1;
      announce(fill(texts.visit.chat.from, { name: client.people.get(line.seat)?.name ?? texts.visit.chat.gone, text: line.text }));
      render();
    }),
  ];
  return {
    root,
    focus: () => heading.focus(),
    close() {
      offs.forEach((off) => off());
      panel?.close();
      stage.close();
    },
  };
}

/**
 * Who stands at the door, one line each with the button that lets them in.
 * @param {HTMLElement} door
 * @param {import('../protocol.js').Client} client
 * @param {import('../messages.js').Participant[]} waiting
 */
function renderDoor(door, client, waiting) {
  const seats = waiting.map(({ seat }) => seat).join();
  if (door.dataset.seats === seats) return;
  door.dataset.seats = seats;
  door.replaceChildren(
    ...waiting.map((person) =>
      element(
        'div',
        { class: 'notice knock', 'data-test': 'knock' },
        element('p', {}, fill(texts.visit.people.waits, { name: person.name, role: roleName(person.role).toLowerCase() })),
        admitButton(client, person),
      ),
    ),
  );
}
