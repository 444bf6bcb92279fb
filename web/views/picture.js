/**
 * Video elements: muted (sound has elements of its own) and ready for phones, which would go full-screen otherwise.
 *
 * A picture fills its frame as far as no more than a quarter of it is cut off: a patient who holds a phone upright is
 * seen whole on the clinician's wide screen.
 */

import { element } from '../element.js';

export const MOST_ENLARGED = 4 / 3; // over the size at which all of it fits

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

/**
 * Keep a video fitted into its parent; it stays so until it is removed.
 * @param {HTMLVideoElement} video
 */
export function fit(video) {
  const place = () => {
    const frame = video.parentElement?.getBoundingClientRect();
    const { videoWidth, videoHeight } = video;
    if (!frame || !videoWidth || !videoHeight) return;
    const [whole, filled] = [frame.width / videoWidth, frame.height / videoHeight].sort((a, b) => a - b);
    const scale = Math.min(filled, whole * MOST_ENLARGED);
    video.style.width = `${Math.ceil(videoWidth * scale)}px`;
    video.style.height = `${Math.ceil(videoHeight * scale)}px`;
  };
  video.addEventListener('resize', place); // the stream changed its size, or has its first frame
  const observer = new ResizeObserver(place);
  if (video.parentElement) observer.observe(video.parentElement);
  return () => observer.disconnect();
}

/**
 * Width over height of what a video shows; 0 while it shows nothing.
 * @param {HTMLVideoElement} video
 */
export const shapeOf = (video) => (video.hidden || !video.videoHeight ? 0 : video.videoWidth / video.videoHeight);

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
