/** The bar below the call: what one sends, the panels, and the way out. */

import { canShareScreen } from '../browser.js';
import { element, setAttribute, setText } from '../element.js';
import { icon } from '../icons.js';
import { fill, texts } from '../language.js';
import { toggleView } from './toggle.js';

/** @typedef {'chat' | 'people'} PanelName */

/**
 * @param {object} given
 * @param {import('../devices.js').Devices} given.devices
 * @param {() => void} given.share
 * @param {(panel: PanelName) => void} given.toggle
 * @param {() => void} given.leave
 */
export function controlsView({ devices, share, toggle, leave }) {
  const microphone = toggleView({ on: 'microphone', off: 'microphone-off', name: 'microphone', press: () => void devices.set('microphone', devices.sending('microphone') === null) });
  const camera = toggleView({ on: 'camera', off: 'camera-off', name: 'camera', press: () => void devices.set('camera', devices.sending('camera') === null) });
  const screen = toggleView({ on: 'screen-off', off: 'screen', name: 'screen', press: () => (devices.screen ? devices.unshare() : share()) });
  const chat = panelButton('chat', 'chat', texts.visit.call.chat, () => toggle('chat'));
  const people = panelButton('people', 'people', texts.visit.call.people, () => toggle('people'));
  const root = element(
    'nav',
    { class: 'controls', 'aria-label': texts.visit.call.controls },
    microphone.root,
    camera.root,
    canShareScreen() && screen.root,
    chat.root,
    people.root,
    element(
      'button',
      { type: 'button', class: 'control leave', title: texts.visit.call.leave, onclick: leave, 'data-test': 'leave' },
      icon('leave'),
      element('span', { class: 'control-name' }, texts.visit.call.leave),
    ),
  );
  screen.root.classList.add('sharing');
  return {
    root,
    /** @param {PanelName} panel */
    focus: (panel) => ({ chat, people })[panel].root.focus(),
    /**
     * @param {PanelName | null} open
     * @param {number} unread
     * @param {number} waiting
     */
    render(open, unread, waiting) {
      microphone.render(devices.sending('microphone') !== null, texts.visit.call.mute, texts.visit.call.unmute);
      camera.render(devices.sending('camera') !== null, texts.visit.call.cameraOff, texts.visit.call.cameraOn);
      screen.render(devices.screen !== null, texts.visit.call.unshare, texts.visit.call.share);
      chat.render(open === 'chat', unread, unread ? fill(texts.visit.call.unread, { n: unread }) : texts.visit.call.chat);
      people.render(open === 'people', waiting, waiting ? fill(texts.visit.call.waiting, { n: waiting }) : texts.visit.call.people);
    },
  };
}

/**
 * @param {PanelName} name
 * @param {import('../icons.js').IconName} sign
 * @param {string} label
 * @param {() => void} press
 */
function panelButton(name, sign, label, press) {
  const count = element('span', { class: 'count', 'aria-hidden': 'true', 'data-test': `${name}-count` });
  const root = element(
    'button',
    { type: 'button', class: 'control panel-button', title: label, onclick: press, 'data-test': name },
    icon(sign),
    element('span', { class: 'control-name', 'aria-hidden': 'true' }, label),
    count,
  );
  return {
    root,
    /**
     * @param {boolean} open
     * @param {number} number
     * @param {string} spoken
     */
    render(open, number, spoken) {
      setText(count, number ? String(number) : '');
      count.hidden = number === 0;
      setAttribute(root, 'aria-label', spoken);
      setAttribute(root, 'aria-expanded', String(open));
      setAttribute(root, 'aria-controls', open ? name : null);
    },
  };
}
