"""A mail server in this process that takes letters, or does to them what a test asks for."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as AS_SENT
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from medinova_rt.operations.certificate import self_signed
from tests.medinova_rt.adapters.test_store import NOW

LOCAL = "127.0.0.1"
ELSEWHERE = "127.0.0.2"  # for the adapter a machine like any other
USER, PASSWORD = "clinic@example.org", "p@ss:w/rd%"


@dataclass
class MailServer:
    """`says` are its answers to a command, instead of taking it; `drop` after a command it hangs up."""

    says: dict[str, str] = field(default_factory=dict)
    drop: str = ""
    letters: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    senders: list[str | None] = field(default_factory=list)
    users: list[str | None] = field(default_factory=list)
    secure: list[bool] = field(default_factory=list)
    connections: int = 0
    at_once: int = 0
    most_at_once: int = 0
    port: int = 0

    def mailbox(self) -> Mapping[str, EmailMessage]:
        """What a reader sees who is shown one of several letters with one Message-ID."""
        return {letter["Message-ID"]: letter for letter in self.letters}

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self._answer("MAIL", server)

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self._answer("RCPT", server)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.01)
        self.at_once -= 1
        answer = self._answer("DATA", server)
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            letter = message_from_bytes(envelope.content, _class=EmailMessage, policy=AS_SENT)
            self.letters.append(letter)
            self.raw.append(envelope.content)
            self.recipients.append(envelope.rcpt_tos)
            self.senders.append(envelope.mail_from)
            self.users.append(session.auth_data)
            self.secure.append(_transport(server).get_extra_info("sslcontext") is not None)
        if self.drop == "after DATA":
            _transport(server).abort()
        return answer

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        return self._answer("QUIT", server)

    def login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        fits = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=fits, handled=False, auth_data=USER if fits else None)

    def _answer(self, command: str, server: SMTP) -> str:
        if self.drop == command:
            _transport(server).abort()
        return self.says.get(command, "250 OK")

    @contextlib.asynccontextmanager
    async def listening(
        self, host: str, *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[int]:
        loop = asyncio.get_running_loop()

        def connected() -> SMTP:
            self.connections += 1
            return SMTP(
                self,
                hostname="mail.example.org",
                tls_context=starttls,
                require_starttls=starttls is not None,
                authenticator=self.login,
                auth_required=starttls is not None,
                auth_require_tls=tls is None,  # it does not see the TLS around a whole connection
                loop=loop,
            )

        server = await loop.create_server(connected, host, 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self.port
        finally:
            server.close()
            await server.wait_closed()


def certificate(folder: Path, host: str = ELSEWHERE) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the server's side, with a certificate for `host`, and that of a client who believes it."""
    folder.mkdir(exist_ok=True)
    chain, key = self_signed(folder, [host], NOW)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(chain, key)
    client = ssl.create_default_context(cafile=str(chain))
    return server, client


def _transport(server: SMTP) -> asyncio.Transport:
    assert isinstance(server.transport, asyncio.Transport)
    return server.transport
