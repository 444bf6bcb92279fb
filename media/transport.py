"""DTLS-SRTP with one participant (RFC 5764): the only module that touches aiortc.

aiortc's `RTCDtlsTransport` does the handshake over a transport of three members that the engine's events feed. We are
always the DTLS server (`setup:passive`): that saves nothing in round trips, but then browsers take AES-128-GCM, which
costs half of what AES-CM with SHA-1 does. Packets never pass here: the keys go to the engine as soon as they are there.

Handshakes cost 0.3 ms of CPU each. Few at once run on the loop, where they are quickest; a burst of joins runs in two
threads (cffi lets go of the GIL), so that everyone else's packets and messages don't wait for it.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Literal, cast

from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    SRTPProtectionProfile,
    State,
    certificate_digest,
)
from aiortc.rtcicetransport import RTCIceTransport
from OpenSSL import SSL

from media.engine import SrtpKeys

HANDSHAKE_S = 20.0  # from the first authenticated check; a lost flight is repeated after 1, 2, 4, 8 s
MAX_DATAGRAMS = 32  # waiting for one handshake; the newest are dropped, DTLS sends a flight again

_PROFILES = [SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM, SRTP_AES128_CM_SHA1_80]
_Profile = Literal["SRTP_AEAD_AES_128_GCM", "SRTP_AEAD_AES_256_GCM", "SRTP_AES128_CM_SHA1_80"]


class HandshakeError(Exception):
    """The handshake failed, timed out, or showed another certificate than the offer named."""


class Certificate(RTCCertificate):
    """The process's one certificate and its one SSL context: a new context for each peer nearly doubles a handshake."""

    _context: SSL.Context | None = None

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        if self._context is None:
            self._context = super()._create_ssl_context(srtp_profiles)
            # a shared context would keep up to 20,480 sessions that no browser resumes
            self._context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
            self._context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 16 kB that hardly anything comes through any more
        return self._context

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 as in `a=fingerprint`, without the name of the hash."""
        return certificate_digest(self._cert, "sha-256")


class Handshakes:
    """Where handshakes advance: on the loop while at most `inline` are under way, else in `workers` threads."""

    def __init__(self, inline: int = 2, workers: int = 2) -> None:
        self._inline = inline
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="dtls")
        self.under_way = 0
        self.offloaded = 0  # steps so far that ran in a thread

    async def step(self, work: Callable[[], bool]) -> bool:
        if self.under_way <= self._inline:
            return work()
        self.offloaded += 1
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Wait for the steps in the threads, about a millisecond each."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class _Wire:
    """All that `RTCDtlsTransport` asks of an ICE transport."""

    role = "controlled"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._deliver = send
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_DATAGRAMS)
        self._closed = False
        self.dropped = 0

    async def _recv(self) -> bytes:
        datagram = None if self._closed else await self._waiting.get()
        if datagram is None:
            raise ConnectionError
        return datagram

    async def _send(self, data: bytes) -> None:
        self._deliver(data)

    def feed(self, datagram: bytes) -> None:
        if self._closed or not datagram:
            return
        if self._waiting.full():
            self.dropped += 1
        else:
            self._waiting.put_nowait(datagram)

    def close(self) -> None:
        self._closed = True
        if self._waiting.empty():
            self._waiting.put_nowait(None)  # whoever waits is let go; later callers see `_closed`


class DtlsTransport(RTCDtlsTransport):
    """One participant's DTLS association. `run` it once the path is authenticated, `feed` it what comes.

    `send` takes each datagram to be sent, `keyed` the SRTP keys as soon as the handshake is done.
    """

    def __init__(
        self,
        certificate: Certificate,
        fingerprints: Sequence[tuple[str, str]],
        handshakes: Handshakes,
        send: Callable[[bytes], None],
        keyed: Callable[[SrtpKeys], None],
    ) -> None:
        """`fingerprints` are the offer's (hash, value) pairs; all of a known hash must match, and at least one."""
        self._wire = _Wire(send)
        super().__init__(cast(RTCIceTransport, self._wire), [certificate])
        self._srtp_profiles = _PROFILES
        self._set_role("server")
        self._remote = RTCDtlsParameters([RTCDtlsFingerprint(hash_, value) for hash_, value in fingerprints])
        self._handshakes = handshakes
        self._keyed = keyed

    @property
    def connected(self) -> bool:
        return self._state is State.CONNECTED

    @property
    def dropped(self) -> int:
        """Datagrams dropped at the bound of the queue."""
        return self._wire.dropped

    def feed(self, datagram: bytes) -> None:
        self._wire.feed(datagram)

    async def run(self) -> None:
        """Shake hands, then stay until either side closes. Raises `HandshakeError`."""
        self._handshakes.under_way += 1
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                await self.start(self._remote)
        except TimeoutError as error:
            self._set_state(State.FAILED)
            raise HandshakeError from error
        finally:
            self._handshakes.under_way -= 1
        if self._task is None:
            raise HandshakeError
        await self._task

    def close(self) -> None:
        """Say goodbye if there is somebody to say it to, and let `run` end. Idempotent."""
        if self.connected and self._ssl is not None:
            try:
                self._ssl.shutdown()
                self._wire._deliver(self._ssl.bio_read(1500))
            except SSL.Error:
                pass
        self._wire.close()

    async def _do_handshake(self) -> None:
        """Replaces aiortc's, which does the expensive part inside `_recv_next`, on the loop."""
        assert self._ssl is not None
        datagram = b""
        try:
            while not await self._handshakes.step(partial(self._advance, datagram)):
                await self._write_ssl()
                datagram = await self._next_datagram()
            await self._write_ssl()
            self.encrypted = True
        except (SSL.Error, ConnectionError):
            self._set_state(State.FAILED)

    async def _next_datagram(self) -> bytes:
        """Return what comes next; empty when it is time to say the last flight again (RFC 6347 §4.2.4)."""
        assert self._ssl is not None
        try:
            return await asyncio.wait_for(self._wire._recv(), self._ssl.DTLSv1_get_timeout())
        except TimeoutError:
            self._ssl.DTLSv1_handle_timeout()
            return b""

    def _advance(self, datagram: bytes) -> bool:
        """Take one datagram in; True once the handshake is done. May run in a thread, alone with this connection."""
        assert self._ssl is not None
        if datagram:
            self._ssl.bio_write(datagram)
        try:
            self._ssl.do_handshake()
        except SSL.WantReadError:
            return False
        return True

    def _setup_srtp(self) -> None:
        """Replaces aiortc's, which would make libsrtp sessions: the keys go to the engine."""
        assert self._ssl is not None
        chosen = self._ssl.get_selected_srtp_profile()
        for profile in self._srtp_profiles:
            if profile.openssl_profile == chosen:
                break
        else:
            self._set_state(State.FAILED)
            return
        material = self._ssl.export_keying_material(
            b"EXTRACTOR-dtls_srtp", 2 * (profile.key_length + profile.salt_length)
        )
        self._keyed(
            SrtpKeys(
                profile=cast(_Profile, chosen.decode()),
                up=profile.get_key_and_salt(
                    material, 0
                ),  # the participant is the DTLS client: it writes with the first
                down=profile.get_key_and_salt(material, 1),
            )
        )
