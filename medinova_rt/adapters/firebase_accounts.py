"""What Firebase knows of its accounts now, by its Admin SDK: all that is asked of it blocks, so threads ask.

The credential is Google's (`GOOGLE_APPLICATION_CREDENTIALS`, or what the machine has); with the emulator there is none.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import firebase_admin
import google.auth.exceptions
from firebase_admin import auth, credentials, exceptions

from medinova_rt.errors import Unavailable

THREADS = 4
MAX_WAITING = 200  # who come when all threads are busy; the next is told to come back
TIME_LIMIT_S = 8.0  # of one request of the SDK
WAIT_S = 10.0  # of whoever asks, with the wait for a thread
MAX_ASKED = 100  # accounts, by the service's own limit

COUNTS = ("account-questions", "account-questions-failed")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Account:
    uid: str
    disabled: bool
    valid_after: datetime  # who signed in before that has been signed out

    def lets(self, authenticated_at: datetime) -> bool:
        """Whether a sign-in of that time still counts; Firebase keeps whole seconds."""
        return not self.disabled and int(authenticated_at.timestamp()) >= int(self.valid_after.timestamp())


class FirebaseAccounts:
    def __init__(self, project: str) -> None:
        self._project = project
        self._app: firebase_admin.App | None = None
        self._waiting = 0
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))

    async def open(self) -> None:
        """Raises Unavailable, for good, where there is no credential."""
        self._threads = ThreadPoolExecutor(THREADS, "firebase")
        try:
            self._app = await asyncio.get_running_loop().run_in_executor(self._threads, self._start)
        except (google.auth.exceptions.GoogleAuthError, ValueError, OSError) as error:
            self._threads.shutdown(wait=False)
            raise Unavailable("there is no credential for Firebase", permanent=True) from error

    async def close(self) -> None:
        if self._app is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            firebase_admin.delete_app(self._app)
            self._app = None

    def counters(self) -> Mapping[str, int]:
        return dict(self._counts)

    async def look(self, uids: Sequence[str]) -> dict[str, Account]:
        """Return those that there are, of at most `MAX_ASKED`. Raises Unavailable."""
        found = await self._ask(lambda app: auth.get_users([auth.UidIdentifier(each) for each in uids], app).users)
        return {each.uid: _account(each) for each in found}

    async def create(self, uid: str, email: str, password: str) -> bool:
        """Make an account of a verified address; False where somebody has one with it. Raises Unavailable.

        Again under the same `uid`, it is the same one, with the password said last.
        """

        def make(app: firebase_admin.App) -> bool:
            known = {"email": email, "email_verified": True, "password": password}
            try:
                auth.create_user(uid=uid, **known, app=app)
            except (auth.UidAlreadyExistsError, auth.EmailAlreadyExistsError):
                if auth.get_user_by_email(email, app).uid != uid:
                    return False
                auth.update_user(uid, **known, app=app)
            return True

        return await self._ask(make)

    def _start(self) -> firebase_admin.App:
        options = {"projectId": self._project, "httpTimeout": TIME_LIMIT_S}
        name = f"medinova-{id(self)}"
        if os.environ.get("FIREBASE_AUTH_EMULATOR_HOST"):  # as the SDK itself decides; `doorman` has agreed
            return firebase_admin.initialize_app(_NoCredential(), options, name)
        credential = credentials.ApplicationDefault()
        credential.get_credential()
        return firebase_admin.initialize_app(credential, options, name)

    async def _ask(self, question: Callable[[firebase_admin.App], T]) -> T:
        assert self._app is not None, "open() comes first"
        if self._waiting >= THREADS + MAX_WAITING:
            raise Unavailable("too much is asked of the identity provider; try again")
        self._waiting += 1
        self._counts["account-questions"] += 1
        try:
            async with asyncio.timeout(WAIT_S):
                return await asyncio.get_running_loop().run_in_executor(self._threads, question, self._app)
        except (TimeoutError, exceptions.FirebaseError, google.auth.exceptions.GoogleAuthError, OSError) as error:
            self._counts["account-questions-failed"] += 1
            raise Unavailable("the identity provider does not answer; try again") from error
        finally:
            self._waiting -= 1


class _NoCredential(credentials.Base):  # type: ignore[misc]  # the library has no types
    """The SDK uses one of its own with the emulator, and wants one all the same."""

    def get_credential(self) -> None:
        return None


def _account(record: "auth.UserRecord") -> Account:
    after = datetime.fromtimestamp((record.tokens_valid_after_timestamp or 0) / 1000, UTC)
    return Account(record.uid, record.disabled, after)
