"""What the store holds of proofs; what they prove is in tests/medinova_rt/test_signin.py and test_factors.py."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from medinova_rt.adapters.argon2_hashing import Argon2Hashing
from medinova_rt.adapters.embedded_challenges import Challenge
from medinova_rt.adapters.embedded_credentials import App, Credentials, Key, held
from medinova_rt.adapters.embedded_identity import EmbeddedIdentity
from medinova_rt.phi import Mark, marks
from medinova_rt.ports import Password
from tests.medinova_rt.door import HOME, PASSWORD, URL, Rig, rig

EMAIL = "robin@example.org"


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig("sqlite", tmp_path) as made:
        yield made


@pytest.mark.parametrize("kind", [Credentials, App, Key, Challenge])
def test_every_field_is_marked(kind: type[msgspec.Struct]) -> None:
    assert set(marks(kind)) == set(kind.__struct_fields__)


def test_these_are_private() -> None:
    kinds = (Credentials, App, Key, Challenge)
    private = {name for kind in kinds for name, mark in marks(kind).items() if mark is Mark.PRIVATE}
    assert private == {
        "password",
        "app",
        "keys",
        "recovery",
        "secret",
        "name",
        "credential",
        "public_key",
        "value",
        "id",
        "other",
    }


async def test_no_password_code_or_link_is_in_what_is_kept_of_them(door: Rig) -> None:
    user = await door.user()
    entered = await door.sign_in.first(Password(PASSWORD, EMAIL), HOME, door.now)
    _, codes = await door.with_app(await door.person(entered))
    mailing = await door.identity.mailing(EMAIL, door.now)
    found = await held(door.store, user.id)
    assert found is not None
    kept = msgspec.json.encode([found.value, [msgspec.to_builtins(each) for each in mailing.along]]).decode()
    shown = [PASSWORD, mailing.token, *codes, *(code.replace("-", "") for code in codes)]
    assert [each for each in shown if each in kept] == []
    assert f'"value":"{mailing.code}"' not in kept


async def test_a_password_hashed_with_other_parameters_is_hashed_anew_at_the_next_sign_in(door: Rig) -> None:
    user = await door.user()
    before = await held(door.store, user.id)
    stronger = EmbeddedIdentity(door.store, door.users, b"s" * 32, URL, Argon2Hashing(memory_kib=16, passes=1))
    await stronger.open()
    proven = await stronger.prove(Password(PASSWORD, EMAIL), door.now)
    await door.store.transact(proven.along)
    after = await held(door.store, user.id)
    assert before is not None
    assert after is not None
    assert ("m=8," in str(before.value.password), "m=16," in str(after.value.password)) == (True, True)
    assert (await door.identity.prove(Password(PASSWORD, EMAIL), door.now)).user == user.id
    await stronger.close()
