/** Keeps the notes in step with what is wrong now, each with its way on. */

import { fill, texts } from '../language.js';
import { problemsOf } from './problems.js';

/**
 * @param {object} given
 * @param {import('./notices.js').Notices} given.notices
 * @param {import('../protocol.js').Client} given.client
 * @param {import('../devices.js').Devices} given.devices
 * @param {import('../sound.js').Sound} given.sound
 */
export function watchTroubles({ notices, client, devices, sound }) {
  const connection = () => {
    const active = client.session !== 'offline';
    const { media } = client;
    const down = active && client.session === 'down';
    notices.set('offline', active && !navigator.onLine && { text: texts.visit.notices.offline, tone: 'trouble' });
    notices.set('reconnecting', down && navigator.onLine && { text: texts.visit.notices.reconnecting, tone: 'trouble' });
    notices.set('blocked', active && media === 'blocked' && { text: texts.visit.notices.blocked, tone: 'trouble' });
    notices.set('media', active && !down && media === 'interrupted' && { text: texts.visit.notices.reconnectingMedia, tone: 'trouble' });
  };
  const hardware = () => {
    const active = client.session !== 'offline';
    notices.set('interrupted', active && devices.interrupted && { text: texts.visit.notices.interrupted, tone: 'trouble' });
    notices.set('sharing', active && devices.screen !== null && {
      text: texts.visit.call.yourScreen,
      action: { label: texts.visit.call.unshare, run: () => devices.unshare() },
    });
    const found = active ? problemsOf(devices) : [];
    for (const what of /** @type {const} */ (['microphone', 'camera', 'devices'])) {
      const problem = found.find((one) => one.what === what);
      notices.set(
        `problem-${what}`,
        problem && {
          text: problem.text,
          tone: 'trouble',
          action: { label: texts.forms.retry, run: () => void devices.open() },
          closable: true,
        },
      );
    }
  };
  client.on('session', connection);
  client.on('media', connection);
  client.on('session', hardware);
  devices.on('changed', hardware);
  window.addEventListener('online', connection);
  window.addEventListener('offline', connection);
  const once = (/** @type {string} */ key, /** @type {import('./notices.js').Notice} */ notice) => {
    notices.set(key, null); // even if the same was closed before: it has happened again
    notices.set(key, { ...notice, closable: true });
  };
  client.on('over', () => {
    for (const key of ['refused', 'share', 'lost-microphone', 'lost-camera', 'lost-speaker']) notices.set(key, null);
  });
  client.on('refused', () => once('refused', { text: texts.visit.notices.refused, tone: 'trouble' }));
  devices.on('lost', ({ device, replacement }) => {
    const replaced = replacement && device !== 'speaker' ? fill(texts.visit.devices.replaced[device], { label: replacement }) : texts.visit.devices.lost[device];
    once(`lost-${device}`, { text: replaced });
  });
  sound.on('blocked', (blocked) =>
    notices.set('sound', blocked && { text: texts.visit.notices.sound, action: { label: texts.visit.notices.hear, run: () => sound.unblock() } }),
  );
}
