/** Keeps the notes in step with what is wrong now, each with its way on. */

import { texts } from '../texts.js';
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
    notices.set('offline', active && !navigator.onLine && { text: texts.notices.offline, tone: 'trouble' });
    notices.set('reconnecting', down && navigator.onLine && { text: texts.notices.reconnecting, tone: 'trouble' });
    notices.set('blocked', active && media === 'blocked' && { text: texts.notices.blocked, tone: 'trouble' });
    notices.set('media', active && !down && media === 'interrupted' && { text: texts.notices.reconnectingMedia, tone: 'trouble' });
  };
  const hardware = () => {
    const active = client.session !== 'offline';
    notices.set('interrupted', active && devices.interrupted && { text: texts.notices.interrupted, tone: 'trouble' });
    notices.set('sharing', active && devices.screen !== null && {
      text: texts.call.yourScreen,
      action: { label: texts.call.unshare, run: () => devices.unshare() },
    });
    const found = active ? problemsOf(devices) : [];
    for (const what of /** @type {const} */ (['microphone', 'camera', 'devices'])) {
      const problem = found.find((one) => one.what === what);
      notices.set(
        `problem-${what}`,
        problem && {
          text: problem.text,
          tone: 'trouble',
          action: { label: texts.actions.retry, run: () => void devices.open() },
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
  client.on('refused', () => once('refused', { text: texts.notices.refused, tone: 'trouble' }));
  devices.on('lost', ({ device, replacement }) => {
    const kind = texts.devices[device];
    const replaced = replacement ? texts.devices.replaced(kind, replacement) : texts.devices.lost(kind);
    once(`lost-${device}`, { text: device === 'speaker' ? texts.devices.speakerLost : replaced });
  });
  sound.on('blocked', (blocked) =>
    notices.set('sound', blocked && { text: texts.notices.sound, action: { label: texts.notices.hear, run: () => sound.unblock() } }),
  );
}
