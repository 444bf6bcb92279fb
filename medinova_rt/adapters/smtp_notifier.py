"""The Notifier port over SMTP submission (RFC 6409), to one server: TLS always, except to this very machine.

A connection for each letter, a few at a time: letters are rare, and a connection kept open is one that has died by the
time it is wanted. Each step has a time limit. What refuses the letter itself (its recipient, its content) with a 5xx is
permanent. All else is not: a server that is down, a wrong password or certificate are put right by somebody, and the
letter leaves then. After such trouble nothing is tried for `REST_S`, so that letters don't hold up other jobs.
"""

import asyncio
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as AS_SENT
from email.utils import format_datetime, parseaddr
from urllib.parse import unquote, urlsplit

import aiosmtplib

from medinova_rt.config import LOCAL_HOSTS
from medinova_rt.errors import Unavailable
from medinova_rt.logs import Log, code
from medinova_rt.ports import Letter

MAX_CONNECTIONS = 4  # further letters wait, and count that to their time
STEP_S = 10.0  # for one answer of the server
SEND_S = 30.0  # for a letter, from its turn to its taking
GOODBYE_S = 2.0
REST_S = 10.0
PORTS = {"smtp": 587, "smtps": 465}

log = Log(__name__)


class SmtpNotifier:
    def __init__(self, url: str, sender: str, tls: ssl.SSLContext | None = None) -> None:
        """`url`: `smtp://user:password@host:port` (STARTTLS) or `smtps://…`; `sender`: an address, or `Name <address>`.

        `tls` says whose certificates are believed: by default those that this machine believes.
        """
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or PORTS[parts.scheme]
        self._is_wrapped = parts.scheme == "smtps"
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._tls = tls
        name, self._address = parseaddr(sender)
        self._from = Address(name, addr_spec=self._address)
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._rests_until = 0.0
        self._works = True

    async def open(self) -> None:
        self._tls = self._tls or ssl.create_default_context()

    async def close(self) -> None:
        pass

    async def check(self) -> None:
        """Raises Unavailable if the server could not be used when it was last tried."""
        if not self._works:
            raise Unavailable("the mail server does not take letters")

    async def send(self, letter: Letter) -> None:
        message = self.message(letter).as_bytes()
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(SEND_S), self._slots:
                if now() < self._rests_until:
                    raise Unavailable("the mail server did not work a moment ago")
                await self._hand_over(letter.to, message)
        except (aiosmtplib.SMTPException, OSError) as error:  # TimeoutError and SSLError are OSErrors
            refused = _refusal(error)
            # never its text: servers repeat addresses in theirs
            log.warning("a letter was not taken", code=code(error), status=_status(error))
            if refused is None:
                self._works, self._rests_until = False, now() + REST_S
                raise Unavailable("the mail server does not take letters") from None
            self._works = True
            raise Unavailable("the mail server refused the letter", permanent=refused >= 500) from None
        self._works = True

    def message(self, letter: Letter) -> EmailMessage:
        """Return the letter as it is sent (RFC 5322); the same each time."""
        message = EmailMessage(AS_SENT)
        message["From"] = self._from
        message["To"] = Address(addr_spec=letter.to)
        message["Subject"] = letter.subject.replace("=?", "= ?")  # no encoded word of somebody else's is decoded
        message["Date"] = format_datetime(letter.written_at)
        message["Message-ID"] = f"<{letter.id}@{self._from.domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: out-of-office replies don't answer it
        message.set_content(letter.text, charset="utf-8", cte="quoted-printable")
        return message

    async def _hand_over(self, to: str, message: bytes) -> None:
        server = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            local_hostname=self._from.domain,
            timeout=STEP_S,
            use_tls=self._is_wrapped,
            start_tls=not self._is_wrapped and self._host not in LOCAL_HOSTS,
            tls_context=self._tls,
        )
        try:
            await server.connect()
            await server.sendmail(self._address, [to], message)
            await _part(server)
        finally:
            server.close()


async def _part(server: aiosmtplib.SMTP) -> None:
    """Say goodbye; how the server takes it changes nothing about the letter, which it has."""
    try:
        async with asyncio.timeout(GOODBYE_S):
            await server.quit()
    except (aiosmtplib.SMTPException, OSError):
        pass


def _refusal(error: Exception) -> int | None:
    """Return the server's status if it refused this letter; None if it said nothing about the letter."""
    match error:
        case aiosmtplib.SMTPRecipientsRefused(recipients=[refused]):
            return refused.code
        case aiosmtplib.SMTPDataError():
            return error.code
        case _:
            return None


def _status(error: Exception) -> int | None:
    return error.code if isinstance(error, aiosmtplib.SMTPResponseException) else _refusal(error)
