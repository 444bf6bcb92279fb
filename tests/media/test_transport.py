"""DTLS with a client of another make (pyOpenSSL alone), and the hooks of aiortc that we stand on."""

import asyncio
import inspect
from collections.abc import Callable

import pytest
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsTransport, State

from media import transport
from media.engine import SrtpKeys
from media.transport import MAX_DATAGRAMS, Certificate, DtlsTransport, HandshakeError, Handshakes
from tests.media.dtls import Client

HOOKS = [
    (RTCDtlsTransport, "_do_handshake", "(self) -> None"),
    (RTCDtlsTransport, "_setup_srtp", "(self) -> None"),
    (RTCDtlsTransport, "_write_ssl", "(self) -> None"),
    (RTCDtlsTransport, "_set_role", "(self, role: str) -> None"),
    (RTCDtlsTransport, "_set_state", "(self, state: aiortc.rtcdtlstransport.State) -> None"),
    (RTCCertificate, "_create_ssl_context", None),
]


@pytest.mark.parametrize(("owner", "name", "signature"), HOOKS, ids=[row[1] for row in HOOKS])
def test_hooks_of_aiortc_are_there(owner: type, name: str, signature: str | None) -> None:
    found = inspect.signature(getattr(owner, name))
    assert signature is None or str(found) == signature


async def test_members_of_aiortc_are_there() -> None:
    plain = RTCDtlsTransport(transport._Wire(lambda _: None), [RTCCertificate.generateCertificate()])  # type: ignore[arg-type]
    assert (plain._role, plain._state, plain._ssl, plain._task) == ("auto", State.NEW, None, None)
    assert plain._srtp_profiles
    assert {state.name for state in State} == {"NEW", "CONNECTING", "CONNECTED", "CLOSED", "FAILED"}


class Call:
    """A server and a client joined by a wire."""

    def __init__(
        self,
        client: Client,
        fingerprints: list[tuple[str, str]] | None = None,
        certificate: Certificate | None = None,
        handshakes: Handshakes | None = None,
    ) -> None:
        self.client = client
        self.keys: list[SrtpKeys] = []
        self.dtls = DtlsTransport(
            certificate or Certificate.generateCertificate(),
            client.fingerprints if fingerprints is None else fingerprints,
            handshakes or Handshakes(),
            send=self._to_client,
            keyed=self.keys.append,
        )
        client.send = self.dtls.feed

    def _to_client(self, datagram: bytes) -> None:
        asyncio.get_running_loop().call_soon(self.client.receive, datagram)

    async def run(self) -> None:
        self.client.receive()
        await self.dtls.run()


async def until(condition: Callable[[], bool], deadline_s: float = 5) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.001)


async def test_keys_agree_and_goodbye_is_said() -> None:
    call = Call(Client())
    async with asyncio.TaskGroup() as group:
        group.create_task(call.run())
        await until(lambda: call.dtls.connected and call.client.done)
        call.dtls.close()
        call.dtls.close()
    await until(lambda: call.client.closed)
    (keys,) = call.keys
    assert keys.profile == "SRTP_AEAD_AES_128_GCM"
    assert call.client.ssl.get_selected_srtp_profile() == b"SRTP_AEAD_AES_128_GCM"
    material = call.client.ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (16 + 12))
    assert (keys.up, keys.down) == (
        material[:16] + material[32:44],
        material[16:32] + material[44:56],
    )


@pytest.mark.parametrize(
    ("offered", "chosen", "size"),
    [
        (b"SRTP_AES128_CM_SHA1_80", "SRTP_AES128_CM_SHA1_80", 30),
        (b"SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80", "SRTP_AEAD_AES_256_GCM", 44),
        (b"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM", "SRTP_AEAD_AES_128_GCM", 28),
    ],
)
async def test_profile(offered: bytes, chosen: str, size: int) -> None:
    call = Call(Client(offered))
    async with asyncio.TaskGroup() as group:
        group.create_task(call.run())
        await until(lambda: call.dtls.connected)
        call.dtls.close()
    assert [(keys.profile, len(keys.up), len(keys.down)) for keys in call.keys] == [(chosen, size, size)]


async def test_the_client_may_close() -> None:
    call = Call(Client())
    async with asyncio.TaskGroup() as group:
        group.create_task(call.run())
        await until(lambda: call.dtls.connected and call.client.done)
        call.client.ssl.shutdown()
        call.dtls.feed(call.client.ssl.bio_read(1500))
    assert not call.dtls.connected


@pytest.mark.parametrize(
    ("what", "fingerprints"),
    [
        ("another certificate", [("sha-256", ":".join(["00"] * 32))]),
        ("no hash we know", [("md5", "00")]),
        ("one of two wrong", None),
    ],
)
async def test_a_wrong_fingerprint_kills_the_call(what: str, fingerprints: list[tuple[str, str]] | None) -> None:
    client = Client()
    call = Call(client, fingerprints or [*client.fingerprints[:1], ("sha-512", ":".join(["00"] * 64))])
    with pytest.raises(HandshakeError):
        await call.run()
    assert call.keys == []


async def test_without_srtp_there_is_no_call() -> None:
    with pytest.raises(HandshakeError):
        await Call(Client(profiles=b"")).run()


@pytest.mark.parametrize("junk", [b"\x16", b"\x16\xfe\xff" + bytes(40), bytes(range(64)), b"\x3f" * 2000], ids=len)
async def test_junk_before_the_handshake_is_survived(junk: bytes) -> None:
    call = Call(Client())
    call.dtls.feed(junk)
    async with asyncio.TaskGroup() as group:
        group.create_task(call.run())
        await until(lambda: call.dtls.connected)
        call.dtls.close()


async def test_a_second_hello_and_forged_alerts_do_not_end_a_call() -> None:
    call, stranger = Call(Client()), Client()
    stranger.send = call.dtls.feed
    async with asyncio.TaskGroup() as group:
        group.create_task(call.run())
        await until(lambda: call.dtls.connected and call.client.done)
        stranger.receive()
        call.dtls.feed(b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28")  # fatal, and not encrypted
        call.dtls.feed(b"\x17\xfe\xfd\x00\x01" + bytes(30))
        await until(call.dtls._wire._waiting.empty)
        call.client.ssl.send(b"still here")
        call.dtls.feed(call.client.ssl.bio_read(1500))
        await until(call.dtls._wire._waiting.empty)
        assert call.dtls.connected
        call.dtls.close()
    assert len(call.keys) == 1


async def test_a_lost_flight_is_said_again() -> None:
    call = Call(Client())
    lost: list[bytes] = []
    deliver = call.dtls._wire._deliver
    call.dtls._wire._deliver = lambda datagram: deliver(datagram) if lost else lost.append(datagram)
    async with asyncio.TaskGroup() as group:
        group.create_task(call.run())
        await until(lambda: call.dtls.connected)
        call.dtls.close()
    assert len(lost) == 1


async def test_silence_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "HANDSHAKE_S", 0.01)
    handshakes = Handshakes()
    call = Call(Client(), handshakes=handshakes)
    with pytest.raises(HandshakeError):
        await call.dtls.run()
    assert handshakes.under_way == 0


async def test_closing_ends_a_handshake() -> None:
    call = Call(Client())
    call.dtls.close()
    with pytest.raises(HandshakeError):
        await call.dtls.run()


def test_the_queue_is_bounded() -> None:
    call = Call(Client())
    for _ in range(MAX_DATAGRAMS + 5):
        call.dtls.feed(b"\x16")
    assert call.dtls.dropped == 5


async def test_a_burst_shares_one_context_and_runs_in_threads() -> None:
    certificate = Certificate.generateCertificate()
    handshakes = Handshakes(inline=1)
    calls = [Call(Client(), certificate=certificate, handshakes=handshakes) for _ in range(8)]
    async with asyncio.TaskGroup() as group:
        for call in calls:
            group.create_task(call.run())
        await until(lambda: all(call.dtls.connected and call.keys for call in calls))
        for call in calls:
            call.dtls.close()
    handshakes.close()
    assert handshakes.offloaded > 0
    assert len({id(call.dtls._ssl.get_context()) for call in calls if call.dtls._ssl is not None}) == 1
    assert certificate.fingerprint == certificate.getFingerprints()[0].value
