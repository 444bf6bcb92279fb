"""Who somebody is, proven by what this server keeps itself: the default of the `Identity` port.

What is secret is in the store only as far as it must be: passwords as argon2id; mailed codes and recovery codes, which
are short, under a MAC whose key is not in the store, so that reading the store is not enough to guess them; links as
the ids of their documents. The secret of an authenticator app has to be had in the clear.

A proof holds for the credentials that it was checked against: its writes fail where they were changed meanwhile, so a
sign-in under way while a password is replaced is tried again, and finds the new one.

Every try of a mailed code is written down before it is compared: a thousand tries at once are five as well. An address
that nobody has gets a code, too, which nobody is sent, so that asking for one and trying one take the same way.
"""

import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, assert_never

from msgspec.structs import replace

from medinova_rt import passwords
from medinova_rt.adapters import embedded_challenges, embedded_credentials, totp, webauthn_passkeys
from medinova_rt.adapters.argon2_hashing import Argon2Hashing
from medinova_rt.adapters.embedded_challenges import LIFE, Challenge, Challenges, Kind, deleting, id_of
from medinova_rt.adapters.embedded_credentials import App, Credentials, Key, held, putting
from medinova_rt.adapters.webauthn_passkeys import Made, WebauthnPasskeys
from medinova_rt.changes import Held
from medinova_rt.errors import BadInput, Conflict, LimitReached, NotAuthenticated, NotFound
from medinova_rt.ids import SessionId, UserId, derived_id, new_id
from medinova_rt.ports import (
    Claim,
    ConfirmedTotp,
    EmailCode,
    EmailLink,
    Enrolled,
    Enrolment,
    Factor,
    Factors,
    IdToken,
    Mailing,
    NewPasskey,
    NewPassword,
    NewRecoveryCodes,
    NewTotp,
    Passkey,
    Password,
    Proven,
    RecoveryCode,
    Store,
    Totp,
    Write,
)

CODE_DIGITS = 6
CODE_TRIES = 5
RECOVERY_CODES = 10
RECOVERY_LETTERS = 10  # of 32: 50 bits
MAX_PASSKEYS = 10

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: what is misread is put right by `_MISREAD`
_MISREAD = str.maketrans({"o": "0", "i": "1", "l": "1", "-": "", " ": ""})


class Known(Protocol):
    """What is asked of a user."""

    @property
    def id(self) -> UserId: ...
    @property
    def email(self) -> str: ...
    @property
    def disabled(self) -> bool: ...


class Users(Protocol):
    async def by_email(self, email: str) -> Known | None: ...

    async def get(self, id: UserId) -> Known: ...


class EmbeddedIdentity:
    def __init__(self, store: Store, users: Users, secret: bytes, public_url: str, hashing: Argon2Hashing) -> None:
        """`secret`: the server's; what is derived from it here serves nothing else. `hashing` is opened elsewhere."""
        self._store = store
        self._users = users
        self._key = hmac.digest(secret, b"embedded identity", "sha256")
        self._hashing = hashing
        self._challenges = Challenges(store)
        self._passkeys = WebauthnPasskeys(public_url)

    async def open(self) -> None:
        await self._hashing.open()

    async def close(self) -> None:
        await self._hashing.close()

    def counters(self) -> Mapping[str, int]:
        return self._hashing.counters()

    async def sweep(self, now: datetime) -> bool:
        """Delete some of the challenges that have expired; return whether there may be more."""
        return await self._challenges.sweep(now)

    async def watch(self, now: datetime) -> bool:
        """Nobody else's accounts stand behind these."""
        return False

    # --- proof ---

    async def prove(
        self, claim: Claim, now: datetime, *, user: UserId | None = None, session: SessionId | None = None
    ) -> Proven:
        proven = await self._prove(claim, now, user, session)
        if proven is None or (user is not None and proven.user != user):
            raise NotAuthenticated("that does not prove who you are")
        return proven

    async def _prove(
        self, claim: Claim, now: datetime, user: UserId | None, session: SessionId | None
    ) -> Proven | None:
        match claim:
            case Password():
                return await self._by_password(claim, user)
            case EmailCode():
                return await self._by_code(claim, now)
            case EmailLink():
                return await self._by_link(claim, now)
            case Totp() | RecoveryCode() | Passkey():
                if user is None:
                    return None  # a second factor says nobody's name
                return await self._by_second(claim, now, user, session)
            case IdToken():
                return None  # no identity provider is believed here
            case _:
                assert_never(claim)

    async def _by_password(self, claim: Password, user: UserId | None) -> Proven | None:
        who = await self._named(claim.email, user)
        found = await held(self._store, who.id) if who else None
        known = found.value.password if found else None
        password = passwords.normal(claim.password)[: passwords.MAXIMUM + 1]
        if not await self._hashing.verify(known, password) or who is None or found is None or known is None:
            return None
        after = found.value
        if self._hashing.is_outdated(known):
            after = replace(after, password=await self._hashing.make(password))
        return Proven(who.id, strong=False, along=(putting(found, after),))

    async def _by_code(self, claim: EmailCode, now: datetime) -> Proven | None:
        code = "".join(claim.code.split())
        for _ in range(CODE_TRIES + 1):  # whoever is overtaken more often than that finds none left
            found = await self._challenges.held(id_of("code", claim.email), now)
            if found is None or found.value.tries < 1:
                return None
            tried = replace(found.value, tries=found.value.tries - 1)
            try:
                (token,) = await self._store.transact(
                    [found.replacing(embedded_challenges.COLLECTION, tried.id, tried)]
                )
            except Conflict:
                continue
            who = await self._named(claim.email, None)
            fits = hmac.compare_digest(tried.value, self._digest("code", claim.email, code))
            unchanged = await self._since_mailed(tried)
            if not fits or unchanged is None or who is None or who.id != tried.user:
                return None
            spent: list[Write] = [deleting(Held(tried, found.version + 1, token)), *unchanged]
            if link := await self._challenges.held(tried.other, now):
                spent.append(deleting(link))
            return Proven(who.id, strong=False, along=tuple(spent))
        return None

    async def _by_link(self, claim: EmailLink, now: datetime) -> Proven | None:
        found = await self._challenges.held(id_of("link", claim.token), now)
        if found is None or found.value.user is None:
            return None
        who = await self._named("", found.value.user)
        if who is None or id_of("code", who.email) != found.value.other:
            return None  # it went to an address that is no longer theirs
        unchanged = await self._since_mailed(found.value)
        if unchanged is None:
            return None
        spent: list[Write] = [deleting(found), *unchanged]
        code = await self._challenges.held(found.value.other, now)
        if code and code.value.other == found.value.id:
            spent.append(deleting(code))
        return Proven(who.id, strong=False, along=tuple(spent))

    async def _since_mailed(self, challenge: Challenge) -> list[Write] | None:
        """What fails where the user's password or factors are changed before the proof is taken; None where a password
        was set since the letter."""
        found = None if challenge.user is None else await held(self._store, challenge.user)
        if found is None:
            return []
        return None if found.value.voids(challenge.made_at) else [putting(found, found.value)]

    async def _by_second(
        self, claim: Totp | RecoveryCode | Passkey, now: datetime, user: UserId, session: SessionId | None
    ) -> Proven | None:
        if await self._named("", user) is None:
            return None
        challenge = None
        if isinstance(claim, Passkey):  # used up whatever comes of it, before anybody looks at the answer
            challenge = await self._challenges.spend(id_of("passkey", user, session or ""), now)
        found = await held(self._store, user)
        if found is None:
            return None
        match claim:
            case Totp():
                after = self._after_totp(found.value, claim, now)
            case RecoveryCode():
                after = self._after_recovery(found.value, claim)
            case Passkey():
                after = self._after_passkey(found.value, claim, challenge, now)
            case _:
                assert_never(claim)
        return Proven(user, strong=True, along=(putting(found, after),)) if after else None

    def _after_totp(self, credentials: Credentials, claim: Totp, now: datetime) -> Credentials | None:
        app = credentials.app
        step = totp.step_of(app.secret, claim.code, app.last_step, now) if app else None
        if app is None or step is None:
            return None
        return replace(credentials, app=replace(app, last_step=step, last_used_at=now))

    def _after_recovery(self, credentials: Credentials, claim: RecoveryCode) -> Credentials | None:
        said = self._digest("recovery", credentials.user, claim.code.casefold().translate(_MISREAD))
        left = [each for each in credentials.recovery if not hmac.compare_digest(each, said)]
        return None if len(left) == len(credentials.recovery) else replace(credentials, recovery=left)

    def _after_passkey(
        self, credentials: Credentials, claim: Passkey, challenge: Challenge | None, now: datetime
    ) -> Credentials | None:
        said = webauthn_passkeys.credential_id(claim.credential)
        key = next((key for key in credentials.keys if key.credential == said), None)
        if challenge is None or key is None:
            return None
        known = Made(key.credential, key.public_key, key.sign_count)
        count = self._passkeys.used(claim.credential, challenge.value, known)
        if count is None:
            return None
        used = replace(key, sign_count=count, last_used_at=now)
        return replace(credentials, keys=[used if each is key else each for each in credentials.keys])

    async def _named(self, email: str, user: UserId | None) -> Known | None:
        """The user of that address or id; None where there is none who may sign in."""
        try:
            who = await self._users.get(user) if user else await self._users.by_email(email)
        except NotFound:
            return None
        return None if who is None or who.disabled else who

    # --- what is asked ---

    async def mailing(self, email: str, now: datetime) -> Mailing:
        who = await self._named(email, None)
        code = "".join(secrets.choice("0123456789") for _ in range(CODE_DIGITS))
        token = secrets.token_urlsafe(32)
        user = who.id if who else None
        code_id, link_id = id_of("code", email), id_of("link", token)
        made = Challenge(
            id=code_id,
            kind="code",
            user=user,
            other=link_id,
            tries=CODE_TRIES,
            value=self._digest("code", email, code),
            expires_at=now + LIFE["code"],
        )
        link = Challenge(id=link_id, kind="link", user=user, other=code_id, expires_at=now + LIFE["link"])
        along = (await self._challenges.putting(made), await self._challenges.putting(link))
        return Mailing(user, code, token, along)

    async def challenge(
        self, user: UserId, session: SessionId, now: datetime, new_for: str | None = None
    ) -> Mapping[str, Any]:
        found = await held(self._store, user)
        known = [key.credential for key in found.value.keys] if found else []
        if new_for is None and not known:
            raise NotFound("you have no passkey")
        if new_for is not None and len(known) >= MAX_PASSKEYS:
            raise LimitReached(f"at most {MAX_PASSKEYS} passkeys; remove one first")
        if new_for is None:
            value, options = self._passkeys.asking(known)
        else:
            value, options = self._passkeys.creating(user, new_for, known)
        kind: Kind = "passkey" if new_for is None else "new-passkey"
        place, until = id_of(kind, user, session), now + LIFE[kind]
        await self._challenges.put(
            Challenge(id=place, kind=kind, user=user, session=session, value=value, expires_at=until)
        )
        return options

    # --- what is set up ---

    async def enrol(
        self, user: UserId, what: Enrolment, now: datetime, *, session: SessionId | None = None
    ) -> Enrolled:
        before = await held(self._store, user)
        credentials = before.value if before else Credentials(id=embedded_credentials.id_of(user), user=user)
        match what:
            case NewPassword():
                passwords.check(what.password, what.minimum, what.near)
                hashed = await self._hashing.make(passwords.normal(what.password))
                return Enrolled((putting(before, replace(credentials, password=hashed, mailed_after=now)),))
            case NewTotp():
                return await self._new_totp(user, what, now)
            case ConfirmedTotp():
                return await self._confirmed(user, what, before, credentials, now)
            case NewPasskey():
                return await self._new_passkey(user, what, before, credentials, now, session)
            case NewRecoveryCodes():
                if not credentials.has_second:
                    raise NotFound("recovery codes stand in for a second factor; add one first")
                codes, digests = self._recovery_codes(user)
                return Enrolled((putting(before, replace(credentials, recovery=digests)),), recovery_codes=codes)
            case _:
                assert_never(what)

    async def _new_totp(self, user: UserId, what: NewTotp, now: datetime) -> Enrolled:
        secret = totp.new_secret()
        pending = Challenge(
            id=id_of("new-totp", user), kind="new-totp", user=user, value=secret, expires_at=now + LIFE["new-totp"]
        )
        along = (await self._challenges.putting(pending),)
        return Enrolled(along, secret=secret, uri=totp.uri(secret, what.email))

    async def _confirmed(
        self,
        user: UserId,
        what: ConfirmedTotp,
        before: Held[Credentials] | None,
        credentials: Credentials,
        now: datetime,
    ) -> Enrolled:
        pending = await self._challenges.held(id_of("new-totp", user), now)
        step = totp.step_of(pending.value.value, what.code, 0, now) if pending else None
        if pending is None or step is None:
            raise BadInput("this is not the code that the app shows now", "/code")
        app = App(id=new_id("tot", now), secret=pending.value.value, last_step=step, created_at=now, last_used_at=now)
        codes, after = self._with_second(credentials, replace(credentials, app=app))
        made = Factor(app.id, "totp", "", now, now)
        return Enrolled((deleting(pending), putting(before, after)), made, recovery_codes=codes)

    async def _new_passkey(
        self,
        user: UserId,
        what: NewPasskey,
        before: Held[Credentials] | None,
        credentials: Credentials,
        now: datetime,
        session: SessionId | None,
    ) -> Enrolled:
        if len(credentials.keys) >= MAX_PASSKEYS:
            raise LimitReached(f"at most {MAX_PASSKEYS} passkeys; remove one first")
        challenge = await self._challenges.spend(id_of("new-passkey", user, session or ""), now)
        made = self._passkeys.made(what.credential, challenge.value) if challenge else None
        if made is None or made.credential in [key.credential for key in credentials.keys]:
            raise BadInput("this is no new passkey for what was asked; begin again", "/credential")
        key = Key(
            id=new_id("psk", now),
            name=what.name,
            credential=made.credential,
            public_key=made.public_key,
            sign_count=made.sign_count,
            created_at=now,
        )
        codes, after = self._with_second(credentials, replace(credentials, keys=[*credentials.keys, key]))
        factor = Factor(key.id, "passkey", key.name, now, None)
        return Enrolled((putting(before, after),), factor, recovery_codes=codes)

    def _with_second(self, before: Credentials, after: Credentials) -> tuple[tuple[str, ...], Credentials]:
        """With a first second factor come recovery codes."""
        if before.has_second:
            return (), after
        codes, digests = self._recovery_codes(before.user)
        return codes, replace(after, recovery=digests)

    def _recovery_codes(self, user: UserId) -> tuple[tuple[str, ...], list[str]]:
        codes = ["".join(secrets.choice(_LETTERS) for _ in range(RECOVERY_LETTERS)) for _ in range(RECOVERY_CODES)]
        half = RECOVERY_LETTERS // 2
        shown = tuple(f"{code[:half]}-{code[half:]}" for code in codes)
        return shown, [self._digest("recovery", user, code) for code in codes]

    async def remove(self, user: UserId, factor: str, now: datetime) -> list[Write]:
        found = await held(self._store, user)
        after = found.value.without(factor) if found else None
        if found is None or after is None:
            raise NotFound("there is no such factor")
        return [putting(found, after)]

    async def factors(self, user: UserId) -> Factors:
        found = await held(self._store, user)
        return found.value.factors() if found else Factors(password=False, second=(), recovery_codes=0)

    def _digest(self, purpose: str, whose: str, code: str) -> str:
        text = derived_id("mac", purpose, whose, code)  # tells the parts apart, and bounds what was sent
        return hmac.new(self._key, text.encode(), "sha256").hexdigest()
