"""A security key in software (WebAuthn level 2, ES256): what a browser would answer, whole or spoilt on purpose."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ATTESTED = 1, 4, 64


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Authenticator:
    def __init__(self, origin: str, rp_id: str, *, counts: bool = True) -> None:
        self.origin, self.rp_id = origin, rp_id
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = secrets.token_bytes(32)
        self.count = 0
        self.counts = counts

    def create(self, options: Mapping[str, Any], **spoilt: Any) -> dict[str, Any]:
        point = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(cose)
        data = self._data(spoilt, PRESENT | VERIFIED | ATTESTED) + attested
        response = {
            "clientDataJSON": text(self._client("webauthn.create", options, spoilt)),
            "attestationObject": text(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
        }
        return self._said(response)

    def get(self, options: Mapping[str, Any], **spoilt: Any) -> dict[str, Any]:
        """`spoilt`: challenge, origin, rp_id, type, flags, signature."""
        data = self._data(spoilt, PRESENT)
        client = self._client("webauthn.get", options, spoilt)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": text(client),
            "authenticatorData": text(data),
            "signature": text(spoilt.get("signature", signature)),
            "userHandle": None,
        }
        return self._said(response)

    def _client(self, kind: str, options: Mapping[str, Any], spoilt: Mapping[str, Any]) -> bytes:
        said = {
            "type": spoilt.get("type", kind),
            "challenge": spoilt.get("challenge", options["challenge"]),
            "origin": spoilt.get("origin", self.origin),
            "crossOrigin": False,
        }
        return json.dumps(said).encode()

    def _data(self, spoilt: Mapping[str, Any], flags: int) -> bytes:
        self.count += self.counts
        rp_id = hashlib.sha256(spoilt.get("rp_id", self.rp_id).encode()).digest()
        count: int = spoilt.get("count", self.count)
        return rp_id + bytes([spoilt.get("flags", flags)]) + count.to_bytes(4, "big")

    def _said(self, response: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": text(self.id),
            "rawId": text(self.id),
            "type": "public-key",
            "authenticatorAttachment": "cross-platform",
            "clientExtensionResults": {},
            "response": response,
        }
