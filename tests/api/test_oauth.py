"""A clinic's system, from its account to its first request, and what an OAuth client is told on the way."""

from datetime import timedelta
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from api import call
from api.oauth import ASSERTION_TYPE
from medinova_rt.grants import StaffRole
from medinova_rt.ids import UserId
from tests.api.conftest import Answer, Door
from tests.api.test_caller import ask, sign_in

PRIVATE = ec.generate_private_key(ec.SECP384R1())
JWK = {**jwt.algorithms.ECAlgorithm.to_jwk(PRIVATE.public_key(), as_dict=True), "kid": "one", "alg": "ES384"}
ACCOUNTS = "/v1/clinics/cli-demo/service-accounts"
NEW = {"name": "Scheduling", "jwks": {"keys": [JWK]}, "scopes": ["system/Encounter.cruds"]}


class System:
    """A clinic's system with an account, and its administrator."""

    def __init__(self, door: Door, admin: dict[str, str], account: Any, etag: str) -> None:
        self.door, self.admin, self.account, self.etag = door, admin, account, etag
        self.path = f"{ACCOUNTS}/{account['id']}"

    def assertion(self, **more: Any) -> str:
        now, id_ = self.door.clock().timestamp(), self.account["id"]
        said = {"iss": id_, "sub": id_, "aud": f"{self.door.url}/oauth/token", "exp": now + 300, "jti": "1", **more}
        return jwt.encode(said, PRIVATE, algorithm="ES384", headers={"kid": "one"})

    async def ask_token(self, jti: str = "1", **more: str) -> Answer:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion(jti=jti),
            **more,
        }
        return await self.door.ask("POST", "/oauth/token", key=None, data=form)

    async def token(self, **more: str) -> dict[str, str]:
        answer = await self.ask_token(**more)
        assert answer.status == 200, answer.body
        return {"Authorization": f"Bearer {answer.json['access_token']}"}


@pytest.fixture
async def system(door: Door) -> System:
    _, admin = await sign_in(door, StaffRole.ADMINISTRATOR)
    answer = await ask(door, "POST", ACCOUNTS, admin, json=NEW, headers={"Idempotency-Key": '"1"'})
    assert answer.status == 201, answer.body
    assert answer.headers["Location"] == f"{ACCOUNTS}/{answer.json['id']}"
    return System(door, admin, answer.json, answer.headers["ETag"])


async def test_a_system_makes_a_visit_by_its_account(door: Door, system: System) -> None:
    answer = await system.ask_token()
    assert {**answer.json, "access_token": ""} == {
        "access_token": "", "token_type": "Bearer", "expires_in": 300, "scope": "system/Encounter.cruds",
    }  # fmt: skip
    assert answer.headers["Cache-Control"] == "no-store"
    shown = {"Authorization": f"Bearer {answer.json['access_token']}"}
    seats = {"seats": [{"role": "clinician", "name": "Dr. Ada"}]}
    made = await ask(door, "POST", "/v1/visits", shown, json=seats, headers={"Idempotency-Key": '"1"'})
    assert made.status == 201, made.body


async def test_it_may_do_what_its_scopes_say_and_no_more(door: Door, system: System) -> None:
    changed = await ask(
        door, "PATCH", system.path, system.admin,
        data=msgspec.json.encode({"scopes": ["system/Patient.rs"]}),
        headers={"If-Match": system.etag, "Content-Type": "application/merge-patch+json"},
    )  # fmt: skip
    assert changed.status == 200, changed.body
    visit = await door.visit()
    answer = await ask(door, "GET", f"/v1/visits/{visit['id']}", await system.token())
    assert answer.status in (403, 404)


@pytest.mark.parametrize(
    ("more", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_assertion_type": "x"}, 400, "invalid_request"),
        ({"client_assertion": ""}, 400, "invalid_request"),
        ({"client_assertion": "a.b.c"}, 401, "invalid_client"),
        ({"client_id": "acc-other"}, 401, "invalid_client"),
        ({"scope": "system/Patient.cruds"}, 400, "invalid_scope"),
        ({"scope": ""}, 400, "invalid_scope"),
    ],
)
async def test_refusals_are_those_of_oauth(system: System, more: dict[str, str], status: int, error: str) -> None:
    answer = await system.ask_token(**more)
    assert (answer.status, answer.json["error"]) == (status, error)
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)


async def test_a_statement_works_once(system: System) -> None:
    assert [(await system.ask_token(jti)).status for jti in ("1", "1", "2")] == [200, 401, 200]


async def test_what_is_unknown_is_ignored_and_a_body_that_is_no_form_is_a_problem(door: Door, system: System) -> None:
    assert (await system.ask_token(resource="x")).status == 200
    assert (await door.ask("POST", "/oauth/token", key=None, json={})).problem == (415, "wrong-media-type")


@pytest.mark.parametrize("how", ["disabled", "removed", "renamed"])
async def test_tokens_of_an_account_that_was_changed_end(door: Door, system: System, how: str) -> None:
    shown = await system.token()
    visit = await door.visit()
    path = f"/v1/visits/{visit['id']}"
    assert (await ask(door, "GET", path, shown)).status == 200
    headers = {"If-Match": system.etag}
    if how == "removed":
        assert (await ask(door, "DELETE", system.path, system.admin, headers=headers)).status == 204
    else:
        change = {"disabled": True} if how == "disabled" else {"name": "Other"}
        headers["Content-Type"] = "application/merge-patch+json"
        body = msgspec.json.encode(change)
        assert (await ask(door, "PATCH", system.path, system.admin, data=body, headers=headers)).status == 200
    assert (await ask(door, "GET", path, shown)).problem == (401, "not-authenticated")


async def test_accounts_are_their_administrators_alone(door: Door, system: System) -> None:
    assert (await ask(door, "GET", ACCOUNTS, system.admin)).json["items"] == [system.account]
    assert (await ask(door, "GET", system.path, system.admin)).headers["ETag"] == system.etag
    _, desk = await sign_in(door, StaffRole.FRONT_DESK, user=UserId("usr-2"))
    _, strange = await sign_in(door, user=UserId("usr-3"))
    assert (await ask(door, "GET", ACCOUNTS, desk)).status == 403
    assert [(await ask(door, "GET", path, strange)).status for path in (ACCOUNTS, system.path)] == [404, 404]
    elsewhere = system.path.replace("cli-demo", "cli-platform")
    assert (await ask(door, "GET", elsewhere, system.admin)).status == 404


async def test_an_account_is_not_changed_on_an_old_proof(door: Door, system: System) -> None:
    door.clock.ahead = timedelta(minutes=11)
    answer = await ask(door, "DELETE", system.path, system.admin, headers={"If-Match": system.etag})
    assert answer.problem == (403, "prove-again")


async def test_a_private_key_is_refused_and_not_repeated(door: Door, system: System) -> None:
    secret = jwt.algorithms.ECAlgorithm.to_jwk(PRIVATE, as_dict=True)
    body = {**NEW, "jwks": {"keys": [{**secret, "kid": "x"}]}}
    answer = await ask(door, "POST", ACCOUNTS, system.admin, json=body, headers={"Idempotency-Key": '"2"'})
    assert answer.problem == (400, "bad-input")
    assert secret["d"].encode() not in answer.body


async def test_anybody_reads_the_keys_and_may_keep_them(door: Door) -> None:
    answer = await door.ask("GET", "/.well-known/jwks.json", key=None)
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert answer.json["keys"] == door.app[call.TOKENS].jwks(door.clock())
