/** What the browser around the page can and cannot do. */

/**
 * Apps that show links inside themselves, by what they put into the user agent. Their view often has no camera, and an
 * iPhone app's view is Safari's engine without the word.
 */
const APP = /FBAN|FBAV|FB_IAB|Instagram|Line\/|MicroMessenger|Snapchat|LinkedInApp|musical_ly|BytedanceWebview|Twitter for|Pinterest|; wv\)/;

/**
 * @param {string} userAgent
 * @returns {'Safari' | 'Chrome' | null} the browser to open the link in instead; null: this one will do
 */
export function shouldOpenIn(userAgent) {
  const apple = /iPhone|iPad|iPod/.test(userAgent);
  if (APP.test(userAgent) || (apple && !/Safari\//.test(userAgent))) return apple ? 'Safari' : 'Chrome';
  return null;
}

/** @returns {'insecure' | 'unsupported' | null} why no visit is possible here at all */
export function obstacle() {
  if (!window.isSecureContext) return 'insecure';
  const complete = 'RTCPeerConnection' in window && 'WebSocket' in window && 'replaceTrack' in RTCRtpSender.prototype;
  return complete ? null : 'unsupported';
}

export const canShareScreen = () => typeof navigator.mediaDevices?.getDisplayMedia === 'function';
export const canChooseSpeaker = () => 'setSinkId' in HTMLMediaElement.prototype;
