/** Who came, went or began to wait between one look at the people of a visit and the next. */

/**
 * @typedef {import('./messages.js').Participant} Participant
 * @typedef {{what: 'waits' | 'joined' | 'left', person: Participant}} Arrival
 */

export class Arrivals {
  /** @type {Map<string, Participant> | null} */ #before = null;

  /** @param {string} self  one's own seat */
  constructor(self) {
    this.self = self;
  }

  /**
   * @param {Map<string, Participant>} people
   * @returns {Arrival[]}  at the first look only those who wait: the others were there before
   */
  look(people) {
    const before = this.#before;
    this.#before = new Map(people);
    /** @type {Arrival[]} */ const arrivals = [];
    for (const [seat, person] of people) {
      if (seat === this.self) continue;
      const phase = before?.get(seat)?.phase ?? 'away';
      if (person.phase === 'waiting' && phase !== 'waiting') arrivals.push({ what: 'waits', person });
      if (before && person.phase === 'present' && phase !== 'present') arrivals.push({ what: 'joined', person });
      if (before && person.phase === 'away' && phase === 'present') arrivals.push({ what: 'left', person });
    }
    for (const [seat, person] of before ?? []) {
      if (!people.has(seat) && person.phase === 'present' && seat !== this.self) arrivals.push({ what: 'left', person });
    }
    return arrivals;
  }
}
