"""The ICE-lite agent of one participant (RFC 8445 §2.5): it answers checks and never sends any.

The path is the pair last nominated with USE-CANDIDATE by an authenticated check, and nothing else moves it. An ICE
restart opens a second generation of credentials beside the first: the old one stays good until the new one nominates,
and 5 s more, so media never stops (make before break). A lite agent can't ask for consent (RFC 7675), but the other
side's checks say the same: none on the path for 15 s, and nothing more is sent to that address until one comes.
"""

from dataclasses import dataclass
from typing import Any

from media import stun
from media.engine import Generation, IceCredentials

CONSENT_S = 15.0
OVERLAP_S = 5.0

Address = tuple[Any, ...]  # as the socket gives it; for IPv6 with flow and scope
Path = tuple[Address, Address]  # (local, remote)


@dataclass(slots=True)
class _Generation:
    number: Generation
    credentials: IceCredentials
    ends_at: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back by the pair the check came by, and what the check meant."""

    reply: bytes
    authenticated: bool = False
    path_up: Generation | None = None


class IceAgent:
    """Hold the credentials and the path of one participant. `path` is None until nominated and while it is down."""

    def __init__(self, credentials: IceCredentials) -> None:
        self._generations = [_Generation(Generation(0), credentials)]
        self._count = 1
        self._nominated: Path | None = None
        self._nominated_by = Generation(-1)
        self._checked_at = 0.0
        self.path: Path | None = None

    def restart(self, credentials: IceCredentials) -> Generation:
        """Open the next generation beside the one in use; another that never nominated gives way to it."""
        number = Generation(self._count)
        self._count += 1
        in_use = [g for g in self._generations if g.number == self._nominated_by]
        self._generations = in_use or self._generations[-1:]
        self._generations.append(_Generation(number, credentials))
        return number

    def ufrags(self) -> list[str]:
        """The local username fragments that are good now."""
        return [generation.credentials.local_ufrag for generation in self._generations]

    def on_check(self, message: stun.Message, path: Path, now: float) -> Answer | None:
        """Answer a binding request; None is silence, for whatever is not signed with our password."""
        generation = self._generation_of(message)
        if generation is None or message.kind is not stun.Kind.REQUEST:
            return None
        password = generation.credentials.local_password
        if not message.authentic(password):
            return None
        if message.unknown:
            return Answer(stun.binding_error(message.transaction, 420, "Unknown Attribute", password, message.unknown))
        if message.controlled is not None:
            # a lite agent is always the controlled one (RFC 8445 §6.1.1): the other side has to change its role
            return Answer(stun.binding_error(message.transaction, 487, "Role Conflict", password))
        up = self._note(generation, message.use_candidate, path, now)
        return Answer(stun.binding_success(message.transaction, path[1][:2], password), True, up)

    def tick(self, now: float) -> Generation | None:
        """Let old credentials end; return the generation of a path that went down just now."""
        self._generations = [g for g in self._generations if g.ends_at is None or now < g.ends_at]
        if self.path is None or now - self._checked_at < CONSENT_S:
            return None
        self.path = None
        return self._nominated_by

    def _generation_of(self, message: stun.Message) -> _Generation | None:
        for generation in self._generations:
            credentials = generation.credentials
            if message.username == f"{credentials.local_ufrag}:{credentials.remote_ufrag}":
                return generation
        return None

    def _note(self, generation: _Generation, nominates: bool, path: Path, now: float) -> Generation | None:
        """Take in an authenticated check; return the generation if it brought the path up."""
        number = generation.number
        was_up, was_by = self.path is not None, self._nominated_by
        if nominates and number >= self._nominated_by:
            if number > self._nominated_by:
                for older in self._generations:
                    if older.number < number and older.ends_at is None:
                        older.ends_at = now + OVERLAP_S
            self._nominated, self._nominated_by = path, number
        if path != self._nominated:
            return None
        self.path = path
        self._checked_at = now
        return None if was_up and was_by == self._nominated_by else self._nominated_by
