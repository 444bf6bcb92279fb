/**
 * What a page offers to whom. The server decides what may be done (`medinova_rt/rights.py`); this only keeps buttons away
 * from people whom they would not obey.
 */

/**
 * @typedef {object} Membership
 * @property {string} clinic
 * @property {string} name
 * @property {string[]} roles
 * @property {boolean} second_factor_needed  its roles count only once a second factor was shown
 *
 * @typedef {object} ActsFor
 * @property {string} patient
 * @property {string} clinic
 * @property {string} clinic_name
 * @property {string} kind
 * @property {string} name
 * @property {string[]} scope
 * @property {string | null} ends_at
 *
 * @typedef {object} Me
 * @property {string} id
 * @property {string} email
 * @property {string} name
 * @property {string} language
 * @property {string} zone
 * @property {boolean} strong
 * @property {number} idle_s  until the session ends where nobody uses it
 * @property {boolean} operator
 * @property {Membership[]} memberships
 * @property {ActsFor[]} acts_for
 * @property {{patient: string, clinic: string, ends_at: string}[]} emergencies
 *
 * @typedef {keyof typeof ROLES_FOR} Right
 */

export const STAFF_ROLES = /** @type {const} */ (['clinician', 'front-desk', 'billing', 'administrator', 'interpreter']);

const ROLES_FOR = {
  'people.list': ['clinician', 'front-desk', 'billing', 'administrator'],
  'people.change': ['administrator'],
  'patients.find': ['clinician', 'front-desk', 'billing', 'administrator'],
  'patients.create': ['clinician', 'front-desk'],
  'patients.merge': ['front-desk', 'administrator'],
  'patients.treat': ['front-desk', 'administrator'],
  'patients.relate': ['front-desk', 'administrator'],
  'patients.accesses': ['administrator'],
  'patients.export': ['administrator'],
  'patients.erase': ['administrator'],
  'emergency.take': ['clinician'],
  'emergency.list': ['administrator'],
};

/** @param {Membership | null} membership @param {Right} right */
export function may(membership, right) {
  if (!membership || membership.second_factor_needed) return false;
  return membership.roles.some((role) => ROLES_FOR[right].includes(role));
}
