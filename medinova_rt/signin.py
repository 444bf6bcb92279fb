"""Signing in: a first proof, a second where the user has one, and again whenever an act asks for a fresh one.

What is proof is the business of the `Identity` port; this is what follows from it: which session is opened, who is told
by mail, what is recorded, and how often it may be tried (`tries`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from medinova_rt.access import Half, Person
from medinova_rt.ids import UserId
from medinova_rt.ports import FirstClaim, Method, SecondClaim, Write

Next = Literal["signed-in", "second-factor", "enrol"]


@dataclass(frozen=True, slots=True)
class Browser:
    """Where somebody signs in from."""

    address: str | None = None
    agent: str | None = None  # User-Agent
    device: str | None = field(default=None, repr=False)  # its device cookie


@dataclass(frozen=True, slots=True)
class Entered:
    """`secret` goes into the session's cookie, `device` into the device cookie (None: leave it)."""

    state: Next
    user: UserId
    methods: list[Method]
    secret: str = field(repr=False)
    device: str | None = field(default=None, repr=False)


class SignIn:
    async def first(self, claim: FirstClaim, browser: Browser, now: datetime) -> Entered:
        """Raises NotAuthenticated, TooFast, Unavailable."""
        raise NotImplementedError

    async def second(self, half: Half, claim: SecondClaim, browser: Browser, now: datetime) -> Entered:
        """Raises as `first` does."""
        raise NotImplementedError

    async def enter(self, user: UserId, browser: Browser, now: datetime, along: Sequence[Write] = ()) -> Entered:
        """Sign in a user who proved the first factor otherwise, as by an invitation; `along` is written with it.

        Raises Conflict where the precondition of one of `along` fails.
        """
        raise NotImplementedError

    async def mail_code(self, email: str, browser: Browser, now: datetime) -> None:
        """Mail a code and a link where somebody has that address; takes the same time where nobody has."""
        raise NotImplementedError

    async def prove(self, person: Person, claim: FirstClaim | SecondClaim, browser: Browser, now: datetime) -> str:
        """Return the session's new secret. Raises as `first` does."""
        raise NotImplementedError
