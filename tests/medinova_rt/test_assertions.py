import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from medinova_rt import accounts, assertions, audit
from medinova_rt.accounts import Account, Accounts, Change, Jwk
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.adapters.watched_store import WatchedStore
from medinova_rt.assertions import Assertions
from medinova_rt.changes import Held
from medinova_rt.errors import BadInput, Changed, LimitReached, NotAuthenticated, NotFound
from medinova_rt.ids import AccountId, ClinicId
from medinova_rt.ports import Store
from medinova_rt.principals import Service, ServiceScope

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
AT = NOW.timestamp()
URL = "https://visits.example.org/oauth/token"
CLINIC = ClinicId("cli-1")
ACTOR = Service(CLINIC)
FINDS = (*accounts.FINDS, *assertions.FINDS, *audit.FINDS)

EC384, ED = ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ALGORITHMS: dict[str, Any] = {"ES384": EC384, "EdDSA": ED, "RS384": RSA}


def jwk(private: Any, kid: str = "one", **more: Any) -> Jwk:
    public = private.public_key()
    algorithm: Any = jwt.algorithms.OKPAlgorithm
    if isinstance(public, ec.EllipticCurvePublicKey):
        algorithm = jwt.algorithms.ECAlgorithm
    elif isinstance(public, rsa.RSAPublicKey):
        algorithm = jwt.algorithms.RSAAlgorithm
    members = algorithm.to_jwk(public, as_dict=True)
    return msgspec.convert({**members, "kid": kid, **more}, Jwk)


@pytest.fixture(params=["local", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = MemoryStore(FINDS) if request.param == "local" else SqliteStore(tmp_path / "store.db", FINDS)
    await opened.open()
    yield opened
    await opened.close()


async def account(store: Store, *keys: Jwk) -> Held[Account]:
    given = list(keys) or [jwk(EC384)]
    return await Accounts(store).create(ACTOR, CLINIC, "Scheduling", given, [ServiceScope.VISITS], NOW)


def signed(
    by: Held[Account], private: Any = EC384, algorithm: str = "ES384", header: dict[str, Any] | None = None, **more: Any
) -> str:
    said = {"iss": by.value.id, "sub": by.value.id, "aud": URL, "exp": AT + 300, "jti": "1", **more}
    headers = {name: value for name, value in {"kid": "one", **(header or {})}.items() if value}
    return jwt.encode({k: v for k, v in said.items() if v is not None}, private, algorithm=algorithm, headers=headers)


def door(store: Store) -> Assertions:
    return Assertions(store, Accounts(store), URL)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_statement_that_its_account_signed_holds_once(store: Store, algorithm: str) -> None:
    private = ALGORITHMS[algorithm]
    made = await account(store, jwk(private))
    text = signed(made, private, algorithm)
    assert (await door(store).redeem(text, NOW)).value == made.value
    with pytest.raises(NotAuthenticated):
        await door(store).redeem(text, NOW)


async def test_of_two_at_once_one_holds(store: Store) -> None:
    text = signed(await account(store))
    found = await asyncio.gather(*(door(store).redeem(text, NOW) for _ in range(8)), return_exceptions=True)
    assert [type(each) for each in found].count(NotAuthenticated) == 7


async def test_the_same_jti_of_another_account_is_another(store: Store) -> None:
    for _ in range(2):
        await door(store).redeem(signed(await account(store)), NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "https://other.example.org/oauth/token"},
        {"aud": [URL]},  # said to one alone, or a server could show it to another
        {"aud": None},
        {"sub": "acc-other"},
        {"sub": None},
        {"iss": "acc-other", "sub": "acc-other"},
        {"exp": None},
        {"exp": AT},
        {"exp": AT + 311},
        {"exp": "soon"},
        {"nbf": AT + 11},
        {"iat": AT + 11},
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 256},
        {"header": {"kid": "two"}},
        {"header": {"kid": None}},
        {"header": {"typ": "at+jwt"}},
        {"private": ec.generate_private_key(ec.SECP384R1())},
        {"private": RSA, "algorithm": "RS384"},  # a stranger's key, under the name of ours
        {"private": ED, "algorithm": "EdDSA"},
        {"private": b"k" * 48, "algorithm": "HS384"},
        {"private": None, "algorithm": "none"},
        {"pad": "x" * 8192},
    ],
    ids=str,
)
async def test_what_does_not_hold(wrong: dict[str, Any]) -> None:
    store = MemoryStore(FINDS)
    text = signed(await account(store), **wrong)
    with pytest.raises(NotAuthenticated):
        await door(store).redeem(text, NOW)


async def test_a_public_key_is_no_shared_secret() -> None:
    store = MemoryStore(FINDS)
    made = await account(store)
    head, claims, _ = signed(made).split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"HS384","kid":"one"}').rstrip(b"=").decode()
    for text in (f"{header}.{claims}.", f"{header}.{claims}.AAAA", f"{head}.{claims}.", "a.b.c", "", "é.é.é"):
        with pytest.raises(NotAuthenticated):
            await door(store).redeem(text, NOW)


async def test_another_client_id_does_not_use_it_up() -> None:
    store = MemoryStore(FINDS)
    made = await account(store)
    with pytest.raises(NotAuthenticated):
        await door(store).redeem(signed(made), NOW, client_id="acc-other")
    await door(store).redeem(signed(made), NOW, client_id=made.value.id)


async def test_used_ones_are_kept_until_they_are_over(store: Store) -> None:
    text = signed(await account(store))
    at = door(store)
    await at.redeem(text, NOW)
    over = NOW + timedelta(minutes=5) + assertions.LEEWAY
    await at.sweep(over)
    assert (await store.find(assertions.BY_END)).rows
    await at.sweep(over + timedelta(microseconds=1))
    assert not (await store.find(assertions.BY_END)).rows


# --- accounts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        (Change(disabled=True), False),
        (Change(keys=[jwk(ED)]), False),
        (Change(scopes=[ServiceScope.PATIENTS]), True),
        (Change(name="Billing"), True),
    ],
)
async def test_a_change_counts_at_once(store: Store, change: Change, holds: bool) -> None:
    watched = WatchedStore(store)
    held = Accounts(watched)
    watched.watch(held.watched, held.forget_all)
    made = await held.create(ACTOR, CLINIC, "Scheduling", [jwk(EC384)], [ServiceScope.VISITS], NOW)
    assert await held.current(made.value.id, NOW) == made
    after = await held.change(ACTOR, made.value.id, change, NOW, 1)
    assert after.version == 2
    try:
        await Assertions(watched, held, URL).redeem(signed(made), NOW)
        held_then = True
    except NotAuthenticated:
        held_then = False
    assert held_then is holds


async def test_another_process_hears_of_it_within_five_seconds(store: Store) -> None:
    made = await account(store)
    there = Accounts(store)
    assert await there.current(made.value.id, NOW)
    await Accounts(store).remove(ACTOR, made.value.id, NOW, 1)
    assert await there.current(made.value.id, NOW + timedelta(seconds=5)) is None


async def test_nothing_is_changed_that_one_has_not_seen(store: Store) -> None:
    made = await account(store)
    held = Accounts(store)
    await held.change(ACTOR, made.value.id, Change(name="Other"), NOW, 1)
    with pytest.raises(Changed):
        await held.change(ACTOR, made.value.id, Change(name="Third"), NOW, 1)
    with pytest.raises(Changed):
        await held.remove(ACTOR, made.value.id, NOW, 1)
    with pytest.raises(NotFound):
        await held.remove(ACTOR, AccountId("acc-none"), NOW, None)
    await held.remove(ACTOR, made.value.id, NOW, None)
    assert await held.of_clinic(CLINIC) == []


async def test_a_clinic_has_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "MAX_ACCOUNTS", 2)
    store = MemoryStore(FINDS)
    await account(store)
    await account(store)
    with pytest.raises(LimitReached):
        await account(store)


@pytest.mark.parametrize("kind", ["local", "sqlite"])
async def test_a_clinic_has_so_many_also_when_several_are_made_at_once(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "MAX_ACCOUNTS", 2)
    store = MemoryStore(FINDS) if kind == "local" else SqliteStore(tmp_path / "store.db", FINDS)
    await store.open()
    made = await asyncio.gather(*(account(store) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(each, Held) for each in made) == 2
    assert len(await Accounts(store).of_clinic(CLINIC)) == 2
    await store.close()


WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)
ODD = rsa.generate_private_key(public_exponent=3, key_size=2048)


@pytest.mark.parametrize(
    "keys",
    [
        [jwk(WEAK)],
        [jwk(ODD)],
        [msgspec.structs.replace(jwk(EC384), x="AA")],
        [msgspec.structs.replace(jwk(EC384), y=None)],
        [msgspec.structs.replace(jwk(EC384), alg="RS384")],
        [msgspec.structs.replace(jwk(ED), crv="P-384")],
        [msgspec.structs.replace(jwk(RSA), n=None)],
        [jwk(EC384), jwk(ED)],  # under one name
        [jwk(EC384, str(number)) for number in range(6)],
    ],
)
async def test_keys_that_are_none_or_weak(keys: list[Jwk]) -> None:
    with pytest.raises(BadInput):
        await account(MemoryStore(FINDS), *keys)


@pytest.mark.parametrize("more", [{"d": "secret"}, {"jku": "https://x.example"}, {"kty": "oct"}, {"use": "enc"}])
def test_a_key_has_nothing_in_it_that_is_secret_or_elsewhere(more: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        jwk(EC384, **more)


ALL = [ServiceScope.PATIENTS, ServiceScope.VISITS]


@pytest.mark.parametrize(
    ("has", "asked", "granted"),
    [
        (ALL, None, set(ALL)),
        (ALL, ["system/Encounter.cruds"], {ServiceScope.VISITS}),
        ([ServiceScope.PATIENTS], ["system/Patient.rs"], {ServiceScope.PATIENTS_READ}),
        ([ServiceScope.PATIENTS_READ], ["system/Patient.cruds"], set()),
        (ALL, ["system/*.*"], set()),
        (ALL, [], set()),
    ],
)
def test_what_is_granted(has: list[ServiceScope], asked: list[str] | None, granted: set[ServiceScope]) -> None:
    made = Account(id=AccountId("acc-1"), clinic=CLINIC, name="x", keys=[], scopes=has, created_at=NOW)
    assert made.granted(asked) == granted
