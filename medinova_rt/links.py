"""Join links, seat cookies and one-time tickets: signed text that names one seat of one visit.

    join.vis-….sea-….lnk-….1795514400.-.MAC

that is purpose, visit, seat, link, expiry (Unix seconds), a nonce (tickets only), and HMAC-SHA-256 over all before it,
base64url. The purpose is under the MAC, so a token of one purpose never passes as another. The MAC is compared as text
and in constant time: base64 has spare bits, and comparing bytes would let a changed last letter pass. Nothing here
knows whether the link was revoked: `entrance.holder` asks the visit.
"""

import base64
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from medinova_rt.errors import LinkExpired, NotAuthenticated
from medinova_rt.ids import LinkId, SeatId, VisitId

COOKIE_LIFE = timedelta(hours=12)
TICKET_LIFE = timedelta(seconds=30)
MAX_TOKEN = 400  # characters; ours have about 160

Purpose = Literal["join", "cookie", "ticket"]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a signed text says; it held when it was read."""

    visit: VisitId
    seat: SeatId
    link: LinkId
    expires_at: datetime
    nonce: str = "-"


class Links:
    def __init__(self, secret: bytes, old_secret: bytes | None = None) -> None:
        """`secret`: at least 32 random bytes, the same in every process and after every restart. What was signed with
        `old_secret` goes on counting."""
        self._secrets = (secret,) if old_secret is None else (secret, old_secret)
        if any(len(each) < 32 for each in self._secrets):
            raise ValueError("the signing secret is shorter than 32 bytes")

    def make_token(self, visit: VisitId, seat: SeatId, link: LinkId, expires_at: datetime) -> str:
        """The secret part of a join link; the same arguments give the same text, so it is stored nowhere."""
        return self._sign("join", Grant(visit, seat, link, expires_at))

    def read_token(self, text: str, now: datetime) -> Grant:
        """Raises NotAuthenticated, as do the other two; LinkExpired for one of ours whose time is over."""
        return self._read("join", text, now)

    def make_cookie(self, visit: VisitId, seat: SeatId, link: LinkId, now: datetime) -> str:
        return self._sign("cookie", Grant(visit, seat, link, now + COOKIE_LIFE))

    def read_cookie(self, text: str, now: datetime) -> Grant:
        return self._read("cookie", text, now)

    def make_ticket(self, visit: VisitId, seat: SeatId, link: LinkId, now: datetime) -> str:
        return self._sign("ticket", Grant(visit, seat, link, now + TICKET_LIFE, secrets.token_hex(16)))

    def read_ticket(self, text: str, now: datetime) -> Grant:
        """Reading does not use it up: `Entrance.redeem` does."""
        return self._read("ticket", text, now)

    def _sign(self, purpose: Purpose, grant: Grant) -> str:
        expires = str(int(grant.expires_at.timestamp()))
        body = ".".join((purpose, grant.visit, grant.seat, grant.link, expires, grant.nonce))
        return f"{body}.{_mac(self._secrets[0], body)}"

    def _read(self, purpose: Purpose, text: str, now: datetime) -> Grant:
        body, _, mac = text.rpartition(".")
        if len(text) > MAX_TOKEN or not text.isascii() or not self._is_ours(body, mac):
            raise NotAuthenticated("this link is not valid")
        said, visit, seat, link, expires, nonce = body.split(".")
        if said != purpose:
            raise NotAuthenticated("this link is not valid")
        expires_at = datetime.fromtimestamp(int(expires), UTC)
        if now >= expires_at:
            if purpose == "join":
                raise LinkExpired("this link has expired")
            raise NotAuthenticated("this sign-in has expired")
        return Grant(VisitId(visit), SeatId(seat), LinkId(link), expires_at, nonce)

    def _is_ours(self, body: str, mac: str) -> bool:
        return any(hmac.compare_digest(_mac(secret, body), mac) for secret in self._secrets)


def _mac(secret: bytes, body: str) -> str:
    digest = hmac.digest(secret, body.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
