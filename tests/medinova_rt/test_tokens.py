import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from medinova_rt import tokens
from medinova_rt.errors import NotAuthenticated
from medinova_rt.ids import AccountId, SessionId, UserId
from medinova_rt.principals import ServiceScope
from medinova_rt.tokens import LEEWAY, LIFE, Claims, Tokens

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 25, tzinfo=UTC)
URL = "https://visits.example.org"
SECRET = b"s" * 32
USER, SESSION = UserId("usr-1"), SessionId("ses-1")
SECOND = timedelta(seconds=1)


def server(secret: bytes = SECRET, url: str = URL, old: bytes | None = None) -> Tokens:
    return Tokens(secret, url, old)


def token(now: datetime = NOON, **more: Any) -> str:
    return server(**more).for_user(USER, SESSION, now)


def holds(text: str, now: datetime = NOON, at: Tokens | None = None) -> bool:
    try:
        (at or server()).read(text, now)
    except NotAuthenticated:
        return False
    return True


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def key() -> tuple[Ed25519PrivateKey, str]:
    """The key of the day and its name."""
    found = server()._key(0, int(NOON.timestamp()) // 86400)
    return found.private, found.id


def forged(header: dict[str, Any] | None = None, with_key: Ed25519PrivateKey | None = None, **claims: Any) -> str:
    """A token that the server's own key signed, with something in it that is wrong; None leaves a claim out."""
    private, kid = key()
    issued = int(NOON.timestamp())
    said = {
        "iss": URL, "aud": URL, "sub": USER, "sid": SESSION, "client_id": "x", "jti": "1",
        "iat": issued, "exp": issued + 300, **claims,
    }  # fmt: skip
    return jwt.encode(
        {name: value for name, value in said.items() if value is not None},
        with_key or private,
        algorithm="EdDSA",
        headers={name: value for name, value in {"typ": "at+jwt", "kid": kid, **(header or {})}.items() if value},
    )


def unsigned() -> str:
    _, kid = key()
    header = b64(json.dumps({"alg": "none", "typ": "at+jwt", "kid": kid}).encode())
    return f"{header}.{token().split('.')[1]}."


def signed_with_the_public_key() -> str:
    private, kid = key()
    header = b64(json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": kid}).encode())
    body = f"{header}.{token().split('.')[1]}"
    return f"{body}.{b64(hmac.digest(private.public_key().public_bytes_raw(), body.encode(), hashlib.sha256))}"


def tampered() -> str:
    head, _, mac = token().split(".")
    claims = {**jwt.decode(token(), options={"verify_signature": False}), "sub": "usr-2"}
    return f"{head}.{b64(json.dumps(claims).encode())}.{mac}"


def test_a_token_says_who_and_in_which_session() -> None:
    assert server().read(token(), NOON) == Claims(NOON + LIFE, USER, SESSION)


def test_a_token_of_an_account_says_what_it_may_do() -> None:
    scopes = {ServiceScope.VISITS, ServiceScope.PATIENTS_READ}
    text = server().for_account(AccountId("acc-1"), 3, scopes, NOON)
    claims = server().read(text, NOON)
    assert claims == Claims(NOON + LIFE, account=AccountId("acc-1"), version=3, scopes=frozenset(scopes))


def test_it_is_what_rfc_9068_asks_for() -> None:
    header, claims = jwt.get_unverified_header(token()), jwt.decode(token(), options={"verify_signature": False})
    assert (header["typ"], header["alg"]) == ("at+jwt", "EdDSA")
    assert set(claims) == {"iss", "aud", "sub", "sid", "client_id", "jti", "iat", "exp"}
    assert (claims["iss"], claims["aud"], claims["exp"] - claims["iat"]) == (URL, URL, 300)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: forged(), id="nothing", marks=pytest.mark.xfail(strict=True)),
        pytest.param(unsigned, id="alg none"),
        pytest.param(signed_with_the_public_key, id="HS256 with the public key"),
        pytest.param(tampered, id="tampered"),
        pytest.param(lambda: f"{token().rpartition('.')[0]}.{b64(bytes(64))}", id="another signature"),
        pytest.param(lambda: forged(aud="https://other.example.org"), id="audience"),
        pytest.param(lambda: forged(aud=None), id="no audience"),
        pytest.param(lambda: forged(iss="https://other.example.org"), id="issuer"),
        pytest.param(lambda: forged(iss=None), id="no issuer"),
        pytest.param(lambda: forged({"typ": "JWT"}), id="type"),
        pytest.param(lambda: forged({"kid": "1-0"}), id="a key there is not"),
        pytest.param(lambda: forged({"kid": None}), id="no key"),
        pytest.param(lambda: forged(with_key=Ed25519PrivateKey.generate()), id="a stranger's key under our name"),
        pytest.param(lambda: forged(exp=None), id="no end"),
        pytest.param(lambda: forged(sub=None), id="nobody"),
        pytest.param(lambda: forged(exp=int(NOON.timestamp()) + 301), id="too long a life"),
        pytest.param(lambda: forged(exp=int(NOON.timestamp())), id="over"),
        pytest.param(lambda: forged(iat=int(NOON.timestamp()) + 31), id="not yet"),
        pytest.param(lambda: forged(iat=int(NOON.timestamp()) - 86400), id="of another day than its key"),
        pytest.param(lambda: forged(sid=None), id="neither session nor account"),
        pytest.param(lambda: forged(exp="soon"), id="an end that is no time"),
        pytest.param(lambda: token(secret=b"t" * 32), id="another server's secret"),
        pytest.param(lambda: token(url="https://other.example.org"), id="another server"),
        pytest.param(lambda: token() + "a" * 2048, id="too long"),
        *(pytest.param(lambda text=text: text, id=repr(text)) for text in ("", "..", "a.b.c", "é.é.é", "bnVsbA.a.b")),
    ],
)
def test_what_does_not_hold(make: Callable[[], str]) -> None:
    assert not holds(make())


@pytest.mark.parametrize(
    ("issued", "read", "does"),
    [
        (NOON, NOON + LIFE - SECOND, True),
        (NOON, NOON + LIFE, False),
        (NOON + LEEWAY, NOON, True),  # clocks differ
        (MIDNIGHT - SECOND, MIDNIGHT + LIFE - 2 * SECOND, True),  # the key of yesterday
        (MIDNIGHT - SECOND, MIDNIGHT + LIFE, False),
        (MIDNIGHT + SECOND, MIDNIGHT - SECOND, True),  # the key of tomorrow
    ],
)
def test_when_it_holds(issued: datetime, read: datetime, does: bool) -> None:
    assert holds(token(issued), read) is does


def test_a_remembered_token_holds_no_longer_than_any() -> None:
    at, text = server(), token()
    assert [holds(text, NOON + each, at) for each in (0 * SECOND, LIFE - SECOND, LIFE)] == [True, True, False]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_REMEMBERED", 3)
    at = server()
    for _ in range(5):
        at.read(token(), NOON)
    assert len(at._known) == 3


def kids(at: Tokens, now: datetime) -> set[str]:
    return {each["kid"] for each in at.jwks(now)}


def test_keys_are_published_a_day_ahead_and_stay_while_tokens_of_theirs_live() -> None:
    at = server()
    today, tomorrow = kids(at, NOON), kids(at, NOON + timedelta(days=1))
    signing = jwt.get_unverified_header(token(MIDNIGHT))["kid"]
    assert today & tomorrow == {signing}
    assert len(kids(at, MIDNIGHT + LIFE)) == 3
    assert len(kids(at, MIDNIGHT + LIFE + LEEWAY)) == 2


def test_others_can_check_by_the_published_keys() -> None:
    text = token()
    keys = {each["kid"]: jwt.PyJWK.from_dict(each) for each in server().jwks(NOON)}
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    claims = jwt.decode(text, keys[jwt.get_unverified_header(text)["kid"]], audience=URL, issuer=URL, options=options)
    assert claims["sub"] == USER
    assert all("d" not in each for each in server().jwks(NOON))


def test_while_the_secret_changes_both_hold_and_the_new_one_signs() -> None:
    old, new = server(), server(b"n" * 32, old=SECRET)
    assert holds(old.for_user(USER, SESSION, NOON), at=new)
    assert not holds(new.for_user(USER, SESSION, NOON), at=old)
    assert kids(old, NOON) < kids(new, NOON)
