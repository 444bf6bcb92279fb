from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from medinova_rt import users
from medinova_rt.errors import BadInput, Conflict, NotFound
from medinova_rt.ids import UserId
from medinova_rt.ports import Store
from medinova_rt.users import Users, normal_email

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("amira@demo.example", "amira@demo.example"),
        ("Amira.Haddad+Clinic@DEMO.example", "amira.haddad+clinic@demo.example"),
        ("o'neil@demo.example", "o'neil@demo.example"),
        ("ana@müller.example", "ana@xn--mller-kva.example"),
        ("ana@xn--mller-kva.example", "ana@xn--mller-kva.example"),
        ("ana@раура.example", "ana@xn--80aa0cbo.example"),  # Cyrillic: it shows
        ("a" * 64 + "@demo.example", "a" * 64 + "@demo.example"),
    ],
)
def test_addresses_have_one_form(typed: str, kept: str) -> None:
    assert normal_email(typed) == kept
    assert normal_email(kept) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "@",
        "amira",
        "amira@",
        "@demo.example",
        "amira@localhost",
        "amira@demo.example.",
        "amira@demo..example",
        "amira@-demo.example",
        "amira@de_mo.example",
        "amira@127.0.0.1",
        "amira@[127.0.0.1]",
        "a@b@demo.example",
        ".amira@demo.example",
        "amira.@demo.example",
        "ami..ra@demo.example",
        '"amira"@demo.example',
        "amira haddad@demo.example",
        " amira@demo.example",
        "amira@demo.example\n",
        "amira@demo.example\r\nBcc: x@y.example",
        "amira@demo.example\x00",
        "ami\x00ra@demo.example",
        "amira,x@demo.example",
        "<amira@demo.example>",
        "amіra@demo.example",  # a Cyrillic і
        "\u212aate@demo.example",  # the Kelvin sign, which lower() makes a k
        "kate@\u212aate.example",
        "kate@demo\u3002example",  # an ideographic full stop, which IDNA takes for a dot
        "kate@ｄｅｍｏ.example",  # full width
        "kate@de\u00admo.example",  # soft hyphen
        "kate@de\u200dmo.example",
        "kate@\u202eomed.example",
        "kate@demo.e\u0301xample",  # not in normal form C
        "kate@xn--a.example",
        "kate\uff20demo.example",
        "kate@de\ud800mo.example",
        "a" * 65 + "@demo.example",
        "a@" + ".".join(["b" * 63] * 4) + ".example",
        "a@" + "b" * 64 + ".example",
    ],
)
def test_what_is_no_address(typed: str) -> None:
    with pytest.raises(BadInput) as refusal:
        normal_email(typed)
    assert refusal.value.pointer == "/email"
    assert typed == "" or typed not in str(refusal.value)


async def test_a_user_is_found_by_address(store: Store) -> None:
    made = await Users(store).create("amira@demo.example", "Amira", "es", "Europe/Madrid", NOW)
    assert await Users(store).by_email("amira@demo.example") == made
    assert await Users(store).get(made.id) == made
    assert await Users(store).by_email("noor@demo.example") is None
    with pytest.raises(NotFound):
        await Users(store).get(UserId("usr-none"))


async def test_an_address_is_one_users(store: Store) -> None:
    await Users(store).create("amira@demo.example", "Amira", "en", "UTC", NOW)
    with pytest.raises(Conflict):
        await Users(store).create("amira@demo.example", "Another", "en", "UTC", NOW)
    assert len((await store.find(users.BY_AGE, ("cli-platform",))).rows) == 1


async def test_a_user_is_changed(store: Store) -> None:
    made = await Users(store).create("amira@demo.example", "Amira", "en", "UTC", NOW)
    after = await Users(store).change(made.id, lambda user: (replace(user, disabled=True), []), 1)
    assert (after.value.disabled, after.version) == (True, 2)
    assert (await Users(store).get(made.id)).disabled
