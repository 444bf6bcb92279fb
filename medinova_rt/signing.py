"""Ed25519 keys that something is signed with which must be provable without us: a file of 43 characters, 256 bits.

A public key is named by the first 16 characters of its SHA-256, so that who verifies knows which one to take.
"""

import base64
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SEED_BYTES = 32


class VerifyingKey:
    def __init__(self, public: bytes) -> None:
        """Raises ValueError for what is no key."""
        self._key = Ed25519PublicKey.from_public_bytes(public)
        self.public = public.hex()
        self.id = sha256(public).hexdigest()[:16]

    def verifies(self, data: bytes, signature: str) -> bool:
        try:
            self._key.verify(bytes.fromhex(signature), data)
        except (InvalidSignature, ValueError):
            return False
        return True


class SigningKey(VerifyingKey):
    def __init__(self, seed: str) -> None:
        """`seed`: base64url of 32 bytes, as `operations.keys.kept_key` makes it; raises ValueError."""
        raw = base64.urlsafe_b64decode(seed + "=" * (-len(seed) % 4))
        if len(raw) != SEED_BYTES:
            raise ValueError("a signing key has 32 bytes")
        self._private = Ed25519PrivateKey.from_private_bytes(raw)
        super().__init__(self._private.public_key().public_bytes_raw())

    def sign(self, data: bytes) -> str:
        return self._private.sign(data).hex()
