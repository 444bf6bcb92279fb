"""The contract of the Notifier port: what every notifier must do, run over each of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from medinova_rt.adapters import outbox_notifier
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.outbox_notifier import OutboxNotifier
from medinova_rt.adapters.smtp_notifier import SmtpNotifier
from medinova_rt.ids import MailId, new_id
from medinova_rt.ports import Letter, Notifier
from tests.medinova_rt.adapters.smtp import LOCAL, MailServer
from tests.medinova_rt.adapters.test_store import NOW

Shown = tuple[str, str, str]  # to, subject, text
TEXTS = [
    "One line.\n",
    "Two paragraphs.\n\nThe second, with Ñandú, “quotes”, 你好 and 🙂.\n",
    ".\n..\n.\n",
    "From the clinic\nFrom: the clinic\n",
    "a" * 3000 + "\n",
    "https://visits.example.org/sign-in#" + "t=e" * 100 + "\n",
    "  two spaces before and two after  \n=3D is no escape\n",
]


@dataclass
class Post:
    notifier: Notifier
    arrived: Callable[[], Awaitable[list[Shown]]]


@pytest.fixture(params=["outbox", "smtp"])
async def post(request: pytest.FixtureRequest) -> AsyncIterator[Post]:
    if request.param == "outbox":
        outbox = OutboxNotifier(MemoryStore(outbox_notifier.FINDS))

        async def in_outbox() -> list[Shown]:
            return [(letter.to, letter.subject, letter.text) for letter in (await outbox.newest())[0]]

        yield Post(outbox, in_outbox)
        return
    server = MailServer()

    async def in_mailbox() -> list[Shown]:
        return [
            (letter["To"], letter["Subject"], letter.get_content().replace("\r\n", "\n"))
            for letter in server.mailbox().values()
        ]

    async with server.listening(LOCAL) as port:
        smtp = SmtpNotifier(f"smtp://{LOCAL}:{port}", "MediNova <mail@example.org>")
        await smtp.open()
        yield Post(smtp, in_mailbox)
        await smtp.close()


def letter(text: str = "Hello.\n", **more: str) -> Letter:
    values = {"to": "robin@example.org", "subject": "A letter", **more}
    return Letter(MailId(new_id("mai", NOW)), values["to"], values["subject"], text, NOW)


@pytest.mark.parametrize("text", TEXTS)
async def test_a_letter_arrives_as_it_was_written(post: Post, text: str) -> None:
    await post.notifier.send(letter(text))
    assert await post.arrived() == [("robin@example.org", "A letter", text)]


@pytest.mark.parametrize("subject", ["Su código de acceso", "A" * 300, "Ä" * 300, "a: b, <c@d>"])
async def test_so_does_its_subject(post: Post, subject: str) -> None:
    await post.notifier.send(letter(subject=subject))
    assert await post.arrived() == [("robin@example.org", subject, "Hello.\n")]


@pytest.mark.parametrize(
    "to",
    ["robin+visits@xn--mnchen-3ya.example", "o'neil@example.org", "a.b-c_d@e-f.example", f"{'l' * 64}@example.org"],
)
async def test_addresses(post: Post, to: str) -> None:
    await post.notifier.send(letter(to=to))
    assert await post.arrived() == [(to, "A letter", "Hello.\n")]


async def test_sent_again_it_is_one_letter(post: Post) -> None:
    sent = letter()
    for _ in range(2):
        await post.notifier.send(sent)
    assert len(await post.arrived()) == 1


async def test_many_at_once_all_arrive(post: Post) -> None:
    letters = [letter(to=f"robin{n}@example.org") for n in range(12)]
    await asyncio.gather(*map(post.notifier.send, letters))
    assert sorted(to for to, _, _ in await post.arrived()) == sorted(each.to for each in letters)


@pytest.mark.parametrize(
    "to",
    [
        "robin@example.org\r\nBcc: other@example.org",
        "robin@example.org\n",
        "robin@example.org, other@example.org",
        "Robin <robin@example.org>",
        "robin",
        "@example.org",
        "robin@",
        ".robin@example.org",
        "ro..bin@example.org",
        "robin@example..org",
        "robin@-example.org",
        "robín@example.org",
        f"{'l' * 65}@example.org",
        f"robin@{'d' * 250}",
    ],
)
def test_what_is_not_one_address_is_no_letter(to: str) -> None:
    with pytest.raises(ValueError, match=r"^this is no e-mail address$"):
        letter(to=to)


@pytest.mark.parametrize("subject", ["A letter\r\nBcc: other@example.org", "A\nletter", "A\x00letter", "A\u2028letter"])
def test_what_is_not_one_line_is_no_subject(subject: str) -> None:
    with pytest.raises(ValueError, match=r"^a subject is one line$"):
        letter(subject=subject)
