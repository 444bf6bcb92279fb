"""The outbox: the newest letters of a server that has no mail server, for the platform's operators."""

from msgspec import Struct

from api import paging
from api.call import OUTBOX, STORE, Call, Instant, Reply
from medinova_rt import audit
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import NotFound
from medinova_rt.ids import MailId
from medinova_rt.rights import Action


class OutboxLetter(Struct, frozen=True):
    """A letter that would have been sent; codes and links in its text hold."""

    id: MailId
    at: Instant
    to: str
    subject: str
    text: str


class OutboxPage(Struct, frozen=True):
    """Newest first."""

    items: list[OutboxLetter]
    next_cursor: str | None


async def read(call: Call[None]) -> Reply:
    """Read the letters that are kept, newest first. A server that sends its letters has no outbox."""
    outbox = call.app.get(OUTBOX)
    if outbox is None:
        raise NotFound("Letters are sent by a mail server here, and none is kept.")
    letters, next_cursor = await outbox.newest(call.query.limit, call.query.cursor)
    # who reads letters to others can sign in as them, so that is on record
    await call.app[STORE].transact([audit.record(call.principal, Action.OUTBOX_READ, call.now, clinic=PLATFORM)])
    items = [OutboxLetter(each.id, each.at, each.to, each.subject, each.text) for each in letters]
    return paging.reply(call, OutboxPage(items, next_cursor), next_cursor)
