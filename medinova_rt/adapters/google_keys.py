"""The keys by which Google signs ID tokens: fetched when needed, kept as long as they may be, one fetch at a time.

Google publishes each key before it signs and takes it away after the last token of it has expired, and says by
`Cache-Control` how long the answer holds. So:

| asked for                              | answered                                                              |
| a key at hand, the answer still holds  | at once                                                               |
| a key at hand, the answer is old       | at once, and fetched anew beside it, for `STALE` at most              |
| another one, the answer still holds    | after a fetch, of which such questions cause one in `REFETCH` at most |
| no answer at hand, or one too old      | after a fetch, one in `RETRY` at most while they fail; `Unavailable`  |

So a flood of tokens by keys that there are not costs Google one request a minute and us nothing to speak of, and a
server of Google's that is slow or down is noticed by nobody for hours.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

import aiohttp
import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from medinova_rt import logs
from medinova_rt.errors import Unavailable

URL = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
TIME_LIMIT_S = 5.0
MAX_ANSWER = 64 * 1024  # bytes; Google's has about 1,500
MAX_KEYS = 16
MIN_BITS = 2048
LIFE = timedelta(hours=1)  # of an answer that does not say
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(hours=24)  # that an answer is believed to hold
STALE = timedelta(hours=6)  # after its end, while no newer one is to be had
REFETCH = timedelta(minutes=1)
RETRY = timedelta(seconds=5)

COUNTS = ("key-fetches", "key-fetches-failed", "keys-unknown")

log = logs.Log(__name__)

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)


class GoogleKeys:
    def __init__(self, url: str = URL, time_limit_s: float = TIME_LIMIT_S) -> None:
        self._url = url
        self._time_limit_s = time_limit_s
        self._keys: dict[str, RSAPublicKey] = {}
        self._until: datetime | None = None  # the answer at hand holds; None: there is none
        self._tried: datetime | None = None
        self._failed = False  # the last fetch
        self._fetch: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))

    async def open(self) -> None:
        """Nothing is fetched yet: a server starts without Google, too."""
        timeout = aiohttp.ClientTimeout(total=self._time_limit_s)
        self._session = aiohttp.ClientSession(
            timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=True, auto_decompress=True
        )

    async def close(self) -> None:
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.gather(self._fetch, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def counters(self) -> Mapping[str, int]:
        return dict(self._counts)

    async def key(self, id: str, now: datetime) -> RSAPublicKey | None:
        """None: Google has no such key. Raises Unavailable where that cannot be told."""
        found = self._at_hand(id, now)
        if found is not None:
            if not self._holds(now):
                self._begin(now)
            return found
        if fetch := self._begin(now):
            await asyncio.shield(fetch)  # whoever gives up waiting does not end it for the others
        found = self._at_hand(id, now)
        if found is None:
            self._counts["keys-unknown"] += 1
            if self._failed or self._until is None:
                raise Unavailable("the keys of the identity provider cannot be had now; try again")
        return found

    def _at_hand(self, id: str, now: datetime) -> RSAPublicKey | None:
        return self._keys.get(id) if self._until is not None and now < self._until + STALE else None

    def _holds(self, now: datetime) -> bool:
        return self._until is not None and now < self._until

    def _begin(self, now: datetime) -> asyncio.Task[None] | None:
        """Return the fetch under way, which is begun if it is time for one."""
        if self._fetch is not None and not self._fetch.done():
            return self._fetch
        pause = REFETCH if self._holds(now) else RETRY
        if self._tried is not None and now - self._tried < pause:
            return None
        self._tried = now
        self._fetch = asyncio.create_task(self._renew(now))
        return self._fetch

    async def _renew(self, now: datetime) -> None:
        """Never raises: that it failed is kept."""
        self._counts["key-fetches"] += 1
        try:
            keys, life = await self._ask()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            self._failed = True
            self._counts["key-fetches-failed"] += 1
            log.warning("the keys of the identity provider cannot be had", code=logs.code(error))
            return
        self._keys, self._until, self._failed = keys, now + life, False

    async def _ask(self) -> tuple[dict[str, RSAPublicKey], timedelta]:
        """Raises ValueError for what is no answer, and what aiohttp raises."""
        assert self._session is not None, "open() comes first"
        async with self._session.get(self._url, allow_redirects=False) as response:
            if response.status != 200:
                raise ValueError("no answer")
            body = bytearray()
            async for part in response.content.iter_any():
                body += part
                if len(body) > MAX_ANSWER:
                    raise ValueError("the answer is too long")
        return _keys(bytes(body)), life(response.headers.getall("Cache-Control", []), response.headers.get("Age"))


def life(cache_control: list[str], age: str | None) -> timedelta:
    """How long an answer holds, within bounds; what makes no sense counts as not said."""
    said = _MAX_AGE.search(", ".join(cache_control))
    whole = timedelta(seconds=int(said[1])) if said else LIFE
    spent = timedelta(seconds=int(age)) if age and age.isascii() and age.isdigit() and len(age) < 10 else timedelta()
    return min(max(whole - spent, SHORTEST), LONGEST)


def _keys(body: bytes) -> dict[str, RSAPublicKey]:
    """Raises ValueError, also where there is none that could be used."""
    try:
        said = msgspec.json.decode(body, type=dict[str, list[dict[str, object]]]).get("keys", [])
    except msgspec.MsgspecError:
        raise ValueError("the answer is no set of keys") from None
    found = {}
    for each in said[:MAX_KEYS]:
        name, key = each.get("kid"), _key(each)
        if isinstance(name, str) and key is not None:
            found[name] = key
    if not found:
        raise ValueError("the answer has no key")
    return found


def _key(said: dict[str, object]) -> RSAPublicKey | None:
    if (said.get("kty"), said.get("alg", "RS256"), said.get("use", "sig")) != ("RSA", "RS256", "sig"):
        return None
    try:
        key = RSAAlgorithm.from_jwk({"kty": "RSA", "n": said["n"], "e": said["e"]})
    except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return key if isinstance(key, RSAPublicKey) and key.key_size >= MIN_BITS else None
