"""The client's half of DTLS-SRTP: a real handshake, as a browser answering `setup:passive` makes it. Sans-I/O."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from media.engine import SrtpKeys

Profile = Literal["SRTP_AEAD_AES_128_GCM", "SRTP_AES128_CM_SHA1_80"]
_SIZES: dict[Profile, tuple[int, int]] = {  # of key and salt
    "SRTP_AEAD_AES_128_GCM": (16, 12),
    "SRTP_AES128_CM_SHA1_80": (16, 14),
}


class Identity:
    """A certificate and what follows from it, for one client or for many; `profile` is all of SRTP that is offered."""

    def __init__(self, profile: Profile = "SRTP_AEAD_AES_128_GCM") -> None:
        self.profile: Profile = profile
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        self.fingerprint = ":".join(f"{octet:02X}" for octet in certificate.fingerprint(hashes.SHA256()))
        self.context = SSL.Context(SSL.DTLS_METHOD)
        self.context.use_certificate(certificate)
        self.context.use_privatekey(key)
        self.context.set_verify(SSL.VERIFY_PEER, lambda *_: True)  # the fingerprint is the server's to check
        self.context.set_tlsext_use_srtp(profile.encode())


class DtlsClient:
    """`feed` it datagrams, send what `due` returns; `keys`, in the server's view, come with its end."""

    def __init__(self, identity: Identity | None = None) -> None:
        identity = identity or Identity()
        self.fingerprint = identity.fingerprint
        self.keys: SrtpKeys | None = None
        self._profile = identity.profile
        self._ssl = SSL.Connection(identity.context)
        self._ssl.set_connect_state()

    def feed(self, datagram: bytes) -> None:
        self._ssl.bio_write(datagram)

    def due(self) -> list[bytes]:
        """Advance, and return the datagrams to send; call again after a second without an answer."""
        if self.keys is None:
            try:
                self._ssl.do_handshake()
                self._export()
            except SSL.WantReadError:
                self._ssl.DTLSv1_handle_timeout()
        out = []
        while True:
            try:
                out.append(self._ssl.bio_read(1500))
            except SSL.WantReadError:
                return out

    def _export(self) -> None:
        """Cut the exported secret into client key, server key, client salt, server salt (RFC 5764 §4.2)."""
        key, salt = _SIZES[self._profile]
        secret = self._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        keys, salts = secret[: 2 * key], secret[2 * key :]
        self.keys = SrtpKeys(self._profile, up=keys[:key] + salts[:salt], down=keys[key:] + salts[salt:])
