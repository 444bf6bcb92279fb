"""How often who may ask, over every route.

| name      | counted by                     | what counts                                         |
| --------- | ------------------------------ | --------------------------------------------------- |
| `address` | network (IPv6: its /64)        | what strangers may call: a flood, not a waiting room |
| `failure` | network                        | tries of a `guessable` route that failed            |
| `letter`  | network                        | what has a letter sent to an address                |
| `caller`  | whoever is signed in           | everything they ask                                 |
| `clinic`  | the clinic, for its own people | everything they ask of it                           |

A hospital whose two thousand people sign in behind one address within a minute stays below `address`, and only those
who mistype count as `failure`. `clinic` is a ceiling, so that one clinic cannot starve another. The clinic of a thing
that is not the caller's is not charged: others could use it up, and would learn that the thing exists.
"""

import asyncio
from collections.abc import Mapping, Set

from aiohttp import web

from api import forwarded
from medinova_rt.access import Thing
from medinova_rt.operations.limit import Left, Limit
from medinova_rt.operations.network import network
from medinova_rt.principals import Person, Principal, SeatHolder, Service

# so many at once, then one each so many seconds
ADDRESS = (12_000, 1 / 500)
FAILURE = (300, 2.0)
LETTER = (3_000, 1.0)  # the two thousand of a hospital, who all want a code
PERSON = (300, 1 / 10)
SEAT = (30, 2.0)  # a page asks once or twice; each try leaves an audit record
SERVICE = (2_000, 1 / 100)
CLINIC = (6_000, 1 / 300)

LEFT = web.RequestKey("left", dict[str, Left])


class Limits:
    def __init__(self) -> None:
        self.addresses = Limit(*ADDRESS, name="address")
        self.failures = Limit(*FAILURE, name="failure")
        self.letters = Limit(*LETTER, name="letter")
        self.people = Limit(*PERSON, name="caller")
        self.seats = Limit(*SEAT, name="caller")
        self.services = Limit(*SERVICE, name="caller")
        self.clinics = Limit(*CLINIC, name="clinic")

    def stranger(self, request: web.Request, *, guessable: bool) -> None:
        """Count a request that anybody may make; raises TooFast, also where too many guesses failed."""
        where = network(forwarded.address(request))
        _take(request, self.addresses, where)
        if guessable:
            self.failures.check(where, _now())

    def failed(self, request: web.Request) -> None:
        """Count a guess that failed, also one of many that were under way at once."""
        self.failures.charge(network(forwarded.address(request)), _now())

    def letter(self, request: web.Request) -> None:
        """Count a letter that a stranger has sent to an address, whether it is anybody's or not; raises TooFast."""
        _take(request, self.letters, network(forwarded.address(request)))

    def caller(self, request: web.Request, principal: Principal) -> None:
        """Count what somebody known asks; raises TooFast."""
        _take(request, self._of(principal), f"{type(principal).__name__}:{principal.id}")

    def clinic(self, request: web.Request, principal: Principal, thing: Thing) -> None:
        """Count it for the clinic that both belong to; raises TooFast."""
        if thing.clinic is not None and thing.clinic in clinics_of(principal):
            _take(request, self.clinics, thing.clinic)

    def counters(self) -> Mapping[str, int]:
        """How many, since start, were refused because all that a limit remembers were in use."""
        counted = (self.addresses, self.failures, self.letters, self.people, self.seats, self.services, self.clinics)
        return {"turned-away": sum(each.turned_away for each in counted)}

    def _of(self, principal: Principal) -> Limit:
        match principal:
            case Service():
                return self.services
            case SeatHolder():
                return self.seats
            case _:
                return self.people


LIMITS = web.AppKey("limits", Limits)


def clinics_of(principal: Principal) -> Set[str]:
    match principal:
        case Service(clinic=clinic) | SeatHolder(clinic=clinic):
            return {clinic}
        case Person(standing=standing):
            return {*standing.members, *(relation.clinic for relation in standing.patients.values())}
        case _:
            return frozenset()


def fields(request: web.Request) -> dict[str, str]:
    """Return the fields of draft-ietf-httpapi-ratelimit-headers for the limits that counted the request."""
    left = request.get(LEFT)
    if not left:
        return {}
    return {
        "RateLimit-Policy": ", ".join(
            f'"{name}";q={each.limit.burst};w={each.limit.window_s}' for name, each in left.items()
        ),
        "RateLimit": ", ".join(f'"{name}";r={each.tries};t={each.full_in_s}' for name, each in left.items()),
    }


def _take(request: web.Request, limit: Limit, who: str) -> None:
    now = _now()
    try:
        limit.take(who, now)
    finally:
        request.setdefault(LEFT, {})[limit.name] = limit.left(who, now)


def _now() -> float:
    return asyncio.get_running_loop().time()
