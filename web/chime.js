/** A soft two-note chime, made here so that it needs no file, played by an element so that it goes to the chosen speaker. */

const RATE = 22_050;
const NOTES = [
  { hertz: 659.3, from_s: 0 },
  { hertz: 880, from_s: 0.16 },
];
const LENGTH_S = 0.9;

/** @returns {Blob} mono 16-bit WAV */
function wave() {
  const count = Math.floor(RATE * LENGTH_S);
  const view = new DataView(new ArrayBuffer(44 + count * 2));
  const write = (/** @type {number} */ at, /** @type {string} */ text) => {
    for (let n = 0; n < text.length; n += 1) view.setUint8(at + n, text.charCodeAt(n));
  };
  write(0, 'RIFF');
  view.setUint32(4, 36 + count * 2, true);
  write(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, RATE * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  write(36, 'data');
  view.setUint32(40, count * 2, true);
  for (let n = 0; n < count; n += 1) {
    const at_s = n / RATE;
    const value = NOTES.reduce((sum, { hertz, from_s }) => {
      const t = at_s - from_s;
      if (t < 0) return sum;
      return sum + Math.min(1, t * 100) * Math.exp(-6 * t) * Math.sin(2 * Math.PI * hertz * t);
    }, 0);
    view.setInt16(44 + n * 2, Math.round(value * 0.25 * 32_767), true);
  }
  return new Blob([view], { type: 'audio/wav' });
}

/** @type {string | null} */
let address = null;

/** @param {string} speakerId  empty: the standard one */
export async function chime(speakerId) {
  address ??= URL.createObjectURL(wave());
  const audio = new Audio(address);
  try {
    if (speakerId && 'setSinkId' in audio) await audio.setSinkId(speakerId);
    await audio.play();
  } catch {
    // held back by the browser: what the chime says is on the screen too
  }
}
