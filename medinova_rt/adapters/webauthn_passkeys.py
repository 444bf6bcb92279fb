"""Passkeys and security keys (WebAuthn level 2) as a second factor: what browsers are asked, and what they answer.

User verification is preferred, not required: the first factor has shown what the user knows, and a plain security key,
which can verify nobody, is as good a second. No attestation is asked for: whichever maker's key is welcome.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
import webauthn
from webauthn.helpers import structs

CHALLENGE_BYTES = 32
TIMEOUT_MS = 5 * 60 * 1000
MAX_CREDENTIAL_ID = 1023  # bytes, WebAuthn §4
NAME = "MediNova"


@dataclass(frozen=True, slots=True)
class Made:
    credential: str  # base64url, as the public key
    public_key: str
    sign_count: int


class WebauthnPasskeys:
    def __init__(self, public_url: str) -> None:
        self._origin = public_url
        self._rp_id = urlsplit(public_url).hostname or ""

    def creating(self, user: str, email: str, known: Sequence[str]) -> tuple[str, Mapping[str, Any]]:
        """Return the challenge and the options to make a passkey with; `known` may not be made twice."""
        challenge = secrets.token_bytes(CHALLENGE_BYTES)
        options = webauthn.generate_registration_options(
            rp_id=self._rp_id,
            rp_name=NAME,
            user_id=user.encode(),
            user_name=email,
            challenge=challenge,
            timeout=TIMEOUT_MS,
            exclude_credentials=_descriptors(known),
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.DISCOURAGED,
                user_verification=structs.UserVerificationRequirement.PREFERRED,
            ),
        )
        return text(challenge), _json(options)

    def asking(self, known: Sequence[str]) -> tuple[str, Mapping[str, Any]]:
        """Return the challenge and the options to use one of the `known` passkeys with."""
        challenge = secrets.token_bytes(CHALLENGE_BYTES)
        options = webauthn.generate_authentication_options(
            rp_id=self._rp_id,
            challenge=challenge,
            timeout=TIMEOUT_MS,
            allow_credentials=_descriptors(known),
            user_verification=structs.UserVerificationRequirement.PREFERRED,
        )
        return text(challenge), _json(options)

    def made(self, credential: Mapping[str, Any], challenge: str) -> Made | None:
        """Return what was made; None if the answer is not one to that challenge, made here."""
        try:
            found = webauthn.verify_registration_response(
                credential=dict(credential),
                expected_challenge=raw(challenge),
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
            )
        except Exception:  # whatever the parsers of the library stumble over was sent by somebody
            return None
        if len(found.credential_id) > MAX_CREDENTIAL_ID:
            return None
        return Made(text(found.credential_id), text(found.credential_public_key), found.sign_count)

    def used(self, credential: Mapping[str, Any], challenge: str, known: Made) -> int | None:
        """Return the passkey's count of uses; None if it is not an answer of `known` to that challenge, given here.

        A count that has not grown is refused: somebody has a copy of the key.
        """
        try:
            found = webauthn.verify_authentication_response(
                credential=dict(credential),
                expected_challenge=raw(challenge),
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                credential_public_key=raw(known.public_key),
                credential_current_sign_count=known.sign_count,
            )
        except Exception:  # as above
            return None
        if not hmac.compare_digest(text(found.credential_id), known.credential):
            return None
        return found.new_sign_count


def credential_id(credential: Mapping[str, Any]) -> str:
    """Which passkey answers, base64url; empty where that is not said."""
    said = credential.get("rawId", credential.get("id"))
    if not isinstance(said, str) or len(said) > 2 * MAX_CREDENTIAL_ID:
        return ""
    try:
        return text(raw(said))
    except (binascii.Error, ValueError):
        return ""


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw(said: str) -> bytes:
    return base64.urlsafe_b64decode(said + "=" * (-len(said) % 4))


def _descriptors(known: Sequence[str]) -> list[structs.PublicKeyCredentialDescriptor]:
    return [structs.PublicKeyCredentialDescriptor(id=raw(each)) for each in known]


def _json(options: Any) -> Mapping[str, Any]:
    decoded: Mapping[str, Any] = msgspec.json.decode(webauthn.options_to_json(options))
    return decoded
