/** The server's fixed words, as people read them; one that is not known yet is shown as it is. */

import { listed, texts } from './language.js';

/** @param {Record<string, string>} names @param {string} word */
const named = (names, word) => names[word] ?? word;

/** @param {string} role */
export const roleName = (role) => named(texts.roles, role);
/** @param {string} role */
export const roleText = (role) => named(texts.roleTexts, role);
/** @param {string[]} roles */
export const roleNames = (roles) => listed(roles.map(roleName));
/** @param {string} kind */
export const relationName = (kind) => named(texts.relations, kind);
/** @param {string} scope */
export const scopeName = (scope) => named(texts.scopes, scope);
/** @param {string} action */
export const actionName = (action) => named(texts.actions, action);
