/** Video elements: muted (sound has elements of its own) and ready for phones, which would go full-screen otherwise. */

import { element } from '../element.js';

/** @typedef {HTMLVideoElement & {show: (track: MediaStreamTrack | null) => void}} Picture */

/** @returns {Picture} */
export function picture() {
  const video = element('video', { playsinline: true, autoplay: true, muted: true, 'aria-hidden': 'true' });
  video.muted = true; // the attribute alone only sets the default
  /** @type {MediaStreamTrack | null} */ let shown = null;
  return Object.assign(video, {
    show(/** @type {MediaStreamTrack | null} */ track) {
      if (track === shown) return;
      shown = track;
      video.srcObject = track ? new MediaStream([track]) : null;
      if (track) video.play().catch(() => undefined); // hidden pages pause; seen again, the browser goes on
    },
  });
}

/** One's own camera: mirrored, as people know themselves, unless it looks away from them. */
export function selfVideo() {
  const video = picture();
  const show = video.show;
  return Object.assign(video, {
    show(/** @type {MediaStreamTrack | null} */ track) {
      show(track);
      video.classList.toggle('mirrored', track?.getSettings().facingMode !== 'environment');
    },
  });
}
