"""The Keys port on Google Cloud KMS: data keys are wrapped by a symmetric key that never leaves it.

Both ways carry a CRC-32C of what was sent, and KMS says which of them it has checked: what was altered on the way is
asked for again, and never taken. Every call has a deadline; what failed for a passing reason is tried a few times more.
KMS itself knows which version wrapped what, so `Wrapped.version` only says what there is to be wrapped anew. `rotate`
makes a version and makes it the primary one; to destroy an old one is up to whoever runs the key ring.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import google_crc32c
import grpc
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.cloud.kms_v1.services.key_management_service import KeyManagementServiceAsyncClient
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcAsyncIOTransport

from medinova_rt.errors import KeyLost, Unavailable
from medinova_rt.logs import Log, code
from medinova_rt.ports import Wrapped

ATTEMPTS = 4
CALL_S = 3.0  # for one attempt
FIRST_REST_S = 0.1  # doubles, with jitter
MAX_CALLS = 64  # under way; more wait

PASSING = (
    exceptions.ServiceUnavailable,
    exceptions.DeadlineExceeded,
    exceptions.InternalServerError,
    exceptions.Unknown,
    exceptions.TooManyRequests,
    exceptions.Aborted,
)
LOST = (exceptions.FailedPrecondition, exceptions.InvalidArgument, exceptions.NotFound)  # destroyed, or never ours

COUNTS = ("calls", "retries", "altered", "failed")

T = TypeVar("T")

log = Log(__name__)


class _Altered(Exception):
    """What came is not what was sent, one way or the other."""


class KmsKeys:
    def __init__(
        self, name: str, *, channel: Callable[[], grpc.aio.Channel] | None = None, call_s: float = CALL_S
    ) -> None:
        """`name`: `projects/…/locations/…/keyRings/…/cryptoKeys/…`; `channel`: where KMS is, if not at Google."""
        self._name = name
        self._channel = channel
        self._call_s = call_s
        self._client: KeyManagementServiceAsyncClient | None = None
        self._calls = asyncio.Semaphore(MAX_CALLS)
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))

    async def open(self) -> None:
        """Raises Unavailable: `permanent` where there is no such key, or no right to it."""
        try:
            if self._channel is None:
                self._client = await asyncio.to_thread(KeyManagementServiceAsyncClient)  # looks for credentials
            else:
                transport = KeyManagementServiceGrpcAsyncIOTransport(channel=self._channel())
                self._client = KeyManagementServiceAsyncClient(transport=transport)
        except GoogleAuthError:
            raise Unavailable("there are no credentials for the key management service", permanent=True) from None
        try:
            await self.newest()
        except Unavailable:
            await self.close()
            raise

    async def close(self) -> None:
        """Again is fine."""
        if self._client is not None:
            await self._client.transport.close()  # type: ignore[no-untyped-call]  # the library has no types
            self._client = None

    def exists(self) -> bool:
        return True

    def counters(self) -> Mapping[str, int]:
        """Totals since start by `COUNTS`; `altered` are answers that did not fit what was sent."""
        return dict(self._counts)

    async def wrap(self, key: bytes, context: bytes) -> Wrapped:
        request = {
            "name": self._name,
            "plaintext": key,
            "plaintext_crc32c": google_crc32c.value(key),
            "additional_authenticated_data": context,
            "additional_authenticated_data_crc32c": google_crc32c.value(context),
        }

        async def attempt(client: KeyManagementServiceAsyncClient) -> Wrapped:
            answer = await client.encrypt(request=request, retry=None, timeout=self._call_s)
            checked = answer.verified_plaintext_crc32c and answer.verified_additional_authenticated_data_crc32c
            if not checked or answer.ciphertext_crc32c != google_crc32c.value(answer.ciphertext):
                raise _Altered
            return Wrapped(_number(answer.name), answer.ciphertext)

        return await self._call(attempt)

    async def unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        request = {
            "name": self._name,
            "ciphertext": wrapped.data,
            "ciphertext_crc32c": google_crc32c.value(wrapped.data),
            "additional_authenticated_data": context,
            "additional_authenticated_data_crc32c": google_crc32c.value(context),
        }

        async def attempt(client: KeyManagementServiceAsyncClient) -> bytes:
            answer = await client.decrypt(request=request, retry=None, timeout=self._call_s)
            plaintext: bytes = answer.plaintext
            if answer.plaintext_crc32c != google_crc32c.value(plaintext):
                raise _Altered
            return plaintext

        try:
            return await self._call(attempt)
        except LOST:
            raise KeyLost("the key-encryption key that wrapped this was destroyed, or is another one") from None

    async def newest(self) -> str:
        async def attempt(client: KeyManagementServiceAsyncClient) -> str:
            answer = await client.get_crypto_key(request={"name": self._name}, retry=None, timeout=self._call_s)
            return _number(answer.primary.name)

        return await self._known(attempt)

    async def rotate(self) -> str:
        """Tried once: a version that was made and not heard of would be a second one."""
        client = self._open_client()
        try:
            made = await client.create_crypto_key_version(
                request={"parent": self._name, "crypto_key_version": {}}, retry=None, timeout=self._call_s
            )
            await client.update_crypto_key_primary_version(
                request={"name": self._name, "crypto_key_version_id": _number(made.name)},
                retry=None,
                timeout=self._call_s,
            )
        except exceptions.GoogleAPICallError as error:
            raise self._unavailable(error) from None
        return _number(made.name)

    async def going(self) -> str | None:
        """None: no version goes by itself."""
        return None

    async def _known(self, attempt: Callable[[KeyManagementServiceAsyncClient], Awaitable[T]]) -> T:
        try:
            return await self._call(attempt)
        except LOST as error:
            raise self._unavailable(error) from None

    async def _call(self, attempt: Callable[[KeyManagementServiceAsyncClient], Awaitable[T]]) -> T:
        """Raises one of LOST, Unavailable."""
        client = self._open_client()
        async with self._calls:
            for count in range(ATTEMPTS):
                self._counts["calls"] += 1
                try:
                    return await attempt(client)
                except LOST:
                    raise
                except (*PASSING, _Altered) as error:
                    self._counts["altered"] += isinstance(error, _Altered)
                    if count + 1 == ATTEMPTS:
                        raise self._unavailable(error) from None
                    self._counts["retries"] += 1
                    await asyncio.sleep(FIRST_REST_S * (1 << count) * (0.5 + random.random() / 2))  # noqa: S311  # spreads load
                except (exceptions.GoogleAPICallError, GoogleAuthError) as error:
                    raise self._unavailable(error) from None
        raise AssertionError

    def _open_client(self) -> KeyManagementServiceAsyncClient:
        if self._client is None:
            raise Unavailable("the keys are closed")
        return self._client

    def _unavailable(self, error: Any) -> Unavailable:
        self._counts["failed"] += 1
        log.warning("the key management service does not answer", code=code(error))
        permanent = not isinstance(error, (*PASSING, _Altered))
        return Unavailable("the key management service does not answer", permanent=permanent)


def _number(name: str) -> str:
    """The version in `…/cryptoKeyVersions/7`."""
    return name.rpartition("/")[2]
