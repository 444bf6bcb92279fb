/** How loud a microphone is now: 0…1 on a scale where ordinary speech reaches the upper half. */

const FLOOR_DB = -60;

export class Meter {
  /** @type {AudioContext | null} */ #context = null;
  /** @type {MediaStreamAudioSourceNode | null} */ #source = null;
  /** @type {AnalyserNode | null} */ #analyser = null;
  #samples = new Float32Array(512);

  /** @param {MediaStreamTrack | null} track  stays the caller's */
  listen(track) {
    this.#source?.disconnect();
    this.#source = null;
    if (!track) return;
    if (!this.#context) {
      this.#context = new AudioContext();
      this.#analyser = new AnalyserNode(this.#context, { fftSize: this.#samples.length });
    }
    this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
    if (this.#analyser) this.#source.connect(this.#analyser);
  }

  /** Browsers keep sound processing asleep until the person has touched the page. */
  wake() {
    if (this.#context?.state === 'suspended') this.#context.resume().catch(() => undefined);
  }

  get level() {
    if (!this.#source || !this.#analyser) return 0;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, sample) => sum + sample * sample, 0) / this.#samples.length;
    const decibel = 10 * Math.log10(power + 1e-9);
    return Math.min(1, Math.max(0, 1 - decibel / FLOOR_DB));
  }

  close() {
    this.listen(null);
    this.#context?.close().catch(() => undefined);
    this.#context = null;
  }
}
