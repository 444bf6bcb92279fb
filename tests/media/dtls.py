"""The participant's side of a handshake, of another make than ours: pyOpenSSL alone."""

from collections.abc import Callable

from aiortc.rtcdtlstransport import RTCCertificate
from OpenSSL import SSL


class Client:
    """A participant's side: a DTLS client whose datagrams go straight to the server and come straight back."""

    def __init__(self, profiles: bytes = b"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM") -> None:
        self.certificate = RTCCertificate.generateCertificate()
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        context.use_certificate(self.certificate._cert)
        context.use_privatekey(self.certificate._key)
        if profiles:
            context.set_tlsext_use_srtp(profiles)
        self.ssl = SSL.Connection(context)
        self.ssl.set_connect_state()
        self.done = False
        self.closed = False
        self.send: Callable[[bytes], None] = lambda datagram: None

    @property
    def fingerprints(self) -> list[tuple[str, str]]:
        return [(print_.algorithm, print_.value) for print_ in self.certificate.getFingerprints()]

    def receive(self, datagram: bytes = b"") -> None:
        if datagram:
            self.ssl.bio_write(datagram)
        try:
            self.ssl.do_handshake()
            self.done = True
            self.ssl.recv(1)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.closed = True
        try:
            self.send(self.ssl.bio_read(4000))
        except SSL.WantReadError:
            pass
