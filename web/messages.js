/**
 * The wire types of the signalling socket (docs/protocol.md) and what its close codes mean to a person.
 *
 * @typedef {'unknown' | 'good' | 'fair' | 'poor'} NetworkMark
 * @typedef {'waiting' | 'live' | 'ended' | 'missed'} VisitState
 * @typedef {'clinician' | 'patient' | 'carer' | 'interpreter'} Role
 *
 * @typedef {{type: 'hello', protocol: number, capabilities: string[], resume: string | null}} Hello
 * @typedef {{type: 'offer', number: number, sdp: string}} Offer
 * @typedef {{type: 'status', microphone: boolean, camera: boolean, screen: boolean, interrupted: boolean}} Status
 * @typedef {{type: 'network', mark: NetworkMark}} Network
 * @typedef {{type: 'admit', seat: string}} Admit
 * @typedef {{type: 'chat', key: string, text: string}} Chat
 * @typedef {{type: 'end'} | {type: 'leave'} | {type: 'pong'}} Plain
 * @typedef {Hello | Offer | Status | Network | Admit | Chat | Plain} ClientMessage
 *
 * @typedef {object} Participant
 * @property {'participant'} type
 * @property {string} seat
 * @property {string} role
 * @property {string} name
 * @property {'away' | 'waiting' | 'present'} phase
 * @property {boolean} microphone
 * @property {boolean} camera
 * @property {boolean} screen
 * @property {boolean} interrupted
 * @property {NetworkMark} network
 *
 * @typedef {{type: 'chat-line', id: string, seat: string, key: string, text: string, said_at: string}} ChatLine
 * @typedef {{mid: string, kind: 'audio' | 'video', source: 'person' | 'screen', seat: string | null}} Slot
 *
 * @typedef {object} Welcome
 * @property {'welcome'} type
 * @property {number} protocol
 * @property {string[]} capabilities
 * @property {string} visit
 * @property {VisitState} state
 * @property {string} seat
 * @property {string} resume
 * @property {boolean} resumed
 * @property {number} heartbeat_s
 * @property {Participant[]} participants
 * @property {ChatLine[]} chat
 * @property {Slot[]} slots
 * @property {string[]} speakers
 * @property {string} codec
 *
 * @typedef {{type: 'answer', number: number, sdp: string}} Answer
 * @typedef {{type: 'slots', slots: Slot[], wanted: number}} Slots
 * @typedef {{type: 'speakers', seats: string[]}} Speakers
 * @typedef {{type: 'codec', codec: string}} Codec
 * @typedef {{type: 'visit', state: VisitState}} VisitChanged
 * @typedef {{type: 'restarting', retry_s: number}} Restarting
 * @typedef {{type: 'error', code: string, detail: string, number: number | null}} Refusal
 * @typedef {{type: 'ping'}} Ping
 * @typedef {Welcome | Participant | Answer | Slots | Speakers | ChatLine | Codec | VisitChanged | Restarting
 *   | Refusal | Ping} ServerMessage
 *
 * Why it is over: `refused` (this page and the server don't understand each other), `not-authenticated` (the link no
 * longer holds), `not-found`, `taken` (the seat is used elsewhere), `ended`, `missed`, `revoked`, `left`.
 * @typedef {'refused' | 'not-authenticated' | 'not-found' | 'taken' | 'ended' | 'missed' | 'revoked' | 'left'} Outcome
 */

export const PROTOCOL = 1;
export const MAX_TEXT = 2000;

/** Close codes after which trying again by oneself makes no sense; every other one means "connect again". */
const FINAL = new Map(
  /** @type {[number, Outcome][]} */ ([
    [4400, 'refused'],
    [4401, 'not-authenticated'],
    [4404, 'not-found'],
    [4409, 'taken'],
    [4410, 'ended'],
    [4411, 'revoked'],
  ]),
);

/**
 * @param {number} code
 * @returns {Outcome | null} null: connect again
 */
export const outcomeOf = (code) => FINAL.get(code) ?? null;

/** "Too fast": connect again, but not soon. */
export const TOO_FAST = 4429;
