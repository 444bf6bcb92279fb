/** Passkeys (WebAuthn): the server's options and the browser's credential, both as JSON with base64url for bytes. */

export const passkeysWork = () => 'PublicKeyCredential' in window;

/** The person said no, or there is no passkey for this account here: the browser does not say which, on purpose. */
export class NoPasskey extends Error {}

/** @param {string} text @returns {ArrayBuffer} */
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0)).buffer;

/** @param {ArrayBuffer | null} buffer */
const text = (buffer) =>
  buffer && btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');

/** @param {{id: string}[]} [known] */
const descriptors = (known) => known?.map((one) => ({ ...one, id: bytes(one.id) }));

/**
 * Make a passkey by the server's options.
 * @param {any} options
 * @returns {Promise<object>}
 */
export async function createPasskey(options) {
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: descriptors(options.excludeCredentials),
  };
  const made = await asked(() => navigator.credentials.create({ publicKey }));
  const response = /** @type {AuthenticatorAttestationResponse} */ (made.response);
  return said(made, {
    attestationObject: text(response.attestationObject),
    transports: response.getTransports?.() ?? [],
  });
}

/**
 * Show that one holds a passkey, by the server's options.
 * @param {any} options
 * @returns {Promise<object>}
 */
export async function usePasskey(options) {
  const publicKey = { ...options, challenge: bytes(options.challenge), allowCredentials: descriptors(options.allowCredentials) };
  const used = await asked(() => navigator.credentials.get({ publicKey }));
  const response = /** @type {AuthenticatorAssertionResponse} */ (used.response);
  return said(used, {
    authenticatorData: text(response.authenticatorData),
    signature: text(response.signature),
    userHandle: text(response.userHandle),
  });
}

/** @param {() => Promise<Credential | null>} ask @returns {Promise<PublicKeyCredential>} */
async function asked(ask) {
  const credential = await ask().catch((error) => {
    if (error instanceof DOMException) throw new NoPasskey(error.name);
    throw error;
  });
  if (!credential) throw new NoPasskey('none');
  return /** @type {PublicKeyCredential} */ (credential);
}

/** @param {PublicKeyCredential} credential @param {Record<string, unknown>} response */
const said = (credential, response) => ({
  id: credential.id,
  rawId: text(credential.rawId),
  type: credential.type,
  authenticatorAttachment: credential.authenticatorAttachment,
  clientExtensionResults: credential.getClientExtensionResults(),
  response: { clientDataJSON: text(credential.response.clientDataJSON), ...response },
});
