"""The service accounts of a clinic: its systems, their keys and what they may do."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from api.call import ACCOUNTS, Call, Instant, Reply
from medinova_rt.accounts import Account, Change, Jwk
from medinova_rt.changes import Held
from medinova_rt.ids import AccountId, ClinicId
from medinova_rt.principals import ServiceScope

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")]
Scopes = Annotated[list[ServiceScope], Meta(min_length=1, max_length=len(ServiceScope))]


class KeySet(Struct, frozen=True, forbid_unknown_fields=True):
    """RFC 7517, by value, with nothing secret in it."""

    keys: Annotated[list[Jwk], Meta(min_length=1, max_length=5)]


class NewAccount(Struct, frozen=True, forbid_unknown_fields=True):
    """`name`: of the system, for people."""

    name: Name
    jwks: KeySet
    scopes: Scopes


class AccountChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is absent stays."""

    name: Name | UnsetType = UNSET
    jwks: KeySet | UnsetType = UNSET
    scopes: Scopes | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class AccountView(Struct, frozen=True):
    """`id` is the `client_id` of OAuth."""

    id: AccountId
    clinic: ClinicId
    name: str
    jwks: KeySet
    scopes: list[ServiceScope]
    disabled: bool
    created_at: Instant


class AccountList(Struct, frozen=True):
    """Oldest first: all there are, since there are few."""

    items: list[AccountView]
    next_cursor: None = None


async def read_all(call: Call[None]) -> Reply:
    """Read the service accounts of a clinic."""
    held = await call.app[ACCOUNTS].of_clinic(ClinicId(call.path["clinic"]))
    return Reply(AccountList([_view(each.value) for each in held]))


async def create(call: Call[NewAccount]) -> Reply:
    """Make a service account; its `id` is what its tokens are asked for with, at `/oauth/token`."""
    asked, clinic = call.body, ClinicId(call.path["clinic"])
    held = await call.app[ACCOUNTS].create(call.principal, clinic, asked.name, asked.jwks.keys, asked.scopes, call.now)
    return _reply(held, {"Location": f"/v1/clinics/{clinic}/service-accounts/{held.value.id}"})


async def read(call: Call[None]) -> Reply:
    """Read a service account."""
    held = await call.app[ACCOUNTS].held(AccountId(call.path["account"]))
    assert held is not None
    return _reply(held)


async def change(call: Call[AccountChange]) -> Reply:
    """Change a service account; the tokens that it had end."""
    asked = call.body
    keys = UNSET if asked.jwks is UNSET else asked.jwks.keys
    wanted = Change(asked.name, keys, asked.scopes, asked.disabled)
    account = AccountId(call.path["account"])
    return _reply(await call.app[ACCOUNTS].change(call.principal, account, wanted, call.now, call.expected))


async def remove(call: Call[None]) -> Reply:
    """Remove a service account and end its tokens."""
    await call.app[ACCOUNTS].remove(call.principal, AccountId(call.path["account"]), call.now, call.expected)
    return Reply()


def _reply(held: Held[Account], headers: dict[str, str] | None = None) -> Reply:
    return Reply(_view(held.value), headers or {}, etag=held.version)


def _view(account: Account) -> AccountView:
    return AccountView(
        id=account.id,
        clinic=account.clinic,
        name=account.name,
        jwks=KeySet(account.keys),
        scopes=account.scopes,
        disabled=account.disabled,
        created_at=account.created_at,
    )
