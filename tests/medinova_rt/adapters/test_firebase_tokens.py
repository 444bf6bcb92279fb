"""One claim wrong at a time, and everything that has been tried on JWTs."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from medinova_rt.adapters.firebase_tokens import FRESH, LEEWAY, MAX_TOKEN, EmulatedTokens, FirebaseTokens
from medinova_rt.errors import NotAuthenticated
from tests.google import PROJECT, claims, private, token

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
AT = int(NOW.timestamp())
SKEW = int(LEEWAY.total_seconds())
OLD = int(FRESH.total_seconds())


class Keys:
    async def key(self, id: str, now: datetime) -> RSAPublicKey | None:
        return private(id).public_key() if id in ("monday", "tuesday") else None


TOKENS = FirebaseTokens(PROJECT, Keys())


async def test_one_that_holds() -> None:
    said = await TOKENS.read(token(claims(NOW)), NOW)
    assert (said.uid, said.email, said.email_verified, said.second) == (
        "uid-of-robin",
        "robin@example.org",
        True,
        False,
    )
    assert said.authenticated_at == NOW - timedelta(seconds=10)
    assert said.expires_at == said.authenticated_at + FRESH + LEEWAY


@pytest.mark.parametrize("factor", ["phone", "totp"])
async def test_a_second_factor_is_seen(factor: str) -> None:
    how = {"sign_in_provider": "password", "sign_in_second_factor": factor, "second_factor_identifier": "x"}
    assert (await TOKENS.read(token(claims(NOW, firebase=how)), NOW)).second is True


@pytest.mark.parametrize(
    "right",
    [
        {"auth_time": AT - OLD, "iat": AT},
        {"auth_time": AT - OLD - SKEW, "iat": AT},
        {"auth_time": AT + SKEW, "iat": AT + SKEW, "exp": AT + 3600},  # Google's clock is ahead
        {"auth_time": AT - 60, "iat": AT - 60, "exp": AT},
        {"email": None, "email_verified": None},
        {"sub": "u" * 128},
    ],
)
async def test_these_hold_too(right: dict[str, Any]) -> None:
    await TOKENS.read(token(claims(NOW, **right)), NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "another-project"},
        {"aud": [PROJECT]},
        {"aud": [PROJECT, "another-project"]},
        {"aud": None},
        {"aud": ""},
        {"iss": "https://securetoken.google.com/another-project"},
        {"iss": f"https://securetoken.google.com/{PROJECT}/"},
        {"iss": f"https://session.firebase.google.com/{PROJECT}"},  # a session cookie of theirs
        {"iss": "https://accounts.google.com"},
        {"iss": None},
        {"sub": ""},
        {"sub": "u" * 129},
        {"sub": 7},
        {"sub": None},
        {"exp": AT - SKEW},
        {"exp": AT - 3600},
        {"exp": AT + 7 * 24 * 3600},
        {"exp": "never"},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": None},
        {"iat": AT + SKEW + 1, "exp": AT + 3600},
        {"iat": None},
        {"iat": "now"},
        {"auth_time": AT + SKEW + 1, "iat": AT},
        {"auth_time": AT - OLD - SKEW - 1},
        {"auth_time": 0},
        {"auth_time": -(10**30)},
        {"auth_time": None},
        {"auth_time": True},
        {"auth_time": AT, "iat": AT - SKEW - 1},
        {"email_verified": "true"},
        {"email": 7},
        {"firebase": None},
        {"firebase": "password"},
        {"firebase": {"tenant": "tenant-of-somebody"}},
    ],
    ids=str,
)
async def test_one_claim_wrong(wrong: dict[str, Any]) -> None:
    with pytest.raises(NotAuthenticated, match="that does not prove who you are"):
        await TOKENS.read(token(claims(NOW, **wrong)), NOW)


def part(said: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()


def by_the_public_key() -> str:
    """Signed by HS256 with what everybody can read."""
    secret = private("monday").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = f"{part({'alg': 'HS256', 'kid': 'monday', 'typ': 'JWT'})}.{part(claims(NOW))}"
    signature = hmac.digest(secret, text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def signed(**headers: Any) -> str:
    return jwt.encode(claims(NOW), private("monday"), algorithm="RS256", headers=headers)


HOLDS = token(claims(NOW))
HEADER, PAYLOAD, SIGNATURE = HOLDS.split(".")


@pytest.mark.parametrize(
    "text",
    [
        f"{part({'alg': 'none', 'kid': 'monday', 'typ': 'JWT'})}.{PAYLOAD}.",
        f"{part({'alg': 'none', 'typ': 'JWT'})}.{PAYLOAD}.",
        f"{part({'alg': 'None', 'kid': 'monday'})}.{PAYLOAD}.{SIGNATURE}",
        f"{part({'kid': 'monday'})}.{PAYLOAD}.{SIGNATURE}",
        by_the_public_key(),
        jwt.encode(claims(NOW), "a secret of 32 characters or more", algorithm="HS256", headers={"kid": "monday"}),
        jwt.encode(claims(NOW), private("monday"), algorithm="RS512", headers={"kid": "monday"}),
        jwt.encode(claims(NOW), private("monday"), algorithm="PS256", headers={"kid": "monday"}),
        jwt.encode(claims(NOW), private("tuesday"), algorithm="RS256", headers={"kid": "monday"}),  # the wrong key
        signed(kid="never-heard-of"),
        signed(kid=""),
        signed(kid="k" * 200),
        signed(),
        signed(kid="monday", crit=["b64"], b64=False),
        f"{HEADER}.{part(claims(NOW, sub='uid-of-ada'))}.{SIGNATURE}",  # altered
        f"{HEADER}.{PAYLOAD}.{SIGNATURE[:-8]}",
        f"{HEADER}.{PAYLOAD}.",
        f"{HEADER}.{PAYLOAD}",
        f"{HOLDS}.{SIGNATURE}",
        f" {HOLDS}",
        f"{HOLDS}\n",
        "",
        "..",
        "a.b.c",
        "ä.ö.ü",
        f"{part({'alg': ['RS256'], 'kid': 'monday'})}.{PAYLOAD}.{SIGNATURE}",
        f"{part({'alg': 'RS256', 'kid': ['monday']})}.{PAYLOAD}.{SIGNATURE}",
        f"{'[' * 5000}.{PAYLOAD}.{SIGNATURE}",
        token(claims(NOW, name="n" * MAX_TOKEN)),
    ],
)
async def test_these_are_no_tokens(text: str) -> None:
    with pytest.raises(NotAuthenticated, match="that does not prove who you are"):
        await TOKENS.read(text, NOW)


async def test_what_was_signed_has_one_digest_however_its_signature_is_written() -> None:
    first = await TOKENS.read(HOLDS, NOW)
    last = SIGNATURE[-1]
    others = []
    for each in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        try:
            others.append((await TOKENS.read(f"{HOLDS[:-1]}{each}", NOW)).digest)
        except NotAuthenticated:
            assert each != last
    assert {*others} == {first.digest}


# --- the emulator's, which nobody signs ---

UNSIGNED = f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims(NOW))}."


async def test_the_emulators_tokens_are_taken_by_their_own_reader_alone() -> None:
    assert (await EmulatedTokens(PROJECT).read(UNSIGNED, NOW)).uid == "uid-of-robin"
    with pytest.raises(NotAuthenticated):
        await TOKENS.read(UNSIGNED, NOW)


@pytest.mark.parametrize("text", [HOLDS, UNSIGNED + "AAAA", UNSIGNED[:-1], f"{part({'alg': 'none'})}.!."])
async def test_and_that_reader_takes_no_other(text: str) -> None:
    with pytest.raises(NotAuthenticated):
        await EmulatedTokens(PROJECT).read(text, NOW)
