import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from medinova_rt.adapters import smtp_notifier
from medinova_rt.adapters.smtp_notifier import MAX_CONNECTIONS, SmtpNotifier
from medinova_rt.errors import Unavailable
from tests.medinova_rt.adapters.smtp import ELSEWHERE, LOCAL, PASSWORD, USER, MailServer, certificate
from tests.medinova_rt.adapters.test_notifier import letter

SENDER = "Señal de MediNova <mail@example.org>"
ACCOUNT = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@"


@pytest.fixture
def server() -> MailServer:
    return MailServer()


@pytest.fixture
async def local(server: MailServer) -> AsyncIterator[SmtpNotifier]:
    async with server.listening(LOCAL) as port:
        yield SmtpNotifier(f"smtp://{LOCAL}:{port}", SENDER)


async def refused(notifier: SmtpNotifier) -> bool:
    """Send a letter that does not leave; return whether that is for good."""
    with pytest.raises(Unavailable) as why:
        await notifier.send(letter())
    assert "@" not in str(why.value)
    assert why.value.__cause__ is None
    return why.value.permanent


async def test_headers_say_that_nobody_wrote_it_and_which_it_is(server: MailServer, local: SmtpNotifier) -> None:
    sent = letter()
    await local.send(sent)
    (got,) = server.letters
    assert dict(got.items()) == {
        "From": SENDER,
        "To": "robin@example.org",
        "Subject": "A letter",
        "Date": "Tue, 24 Nov 2026 10:00:00 +0000",
        "Message-ID": f"<{sent.id}@example.org>",
        "Auto-Submitted": "auto-generated",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "quoted-printable",
        "MIME-Version": "1.0",
    }
    assert (server.senders, server.recipients) == (["mail@example.org"], [["robin@example.org"]])
    assert server.raw[0].isascii()
    assert max(map(len, server.raw[0].split(b"\r\n"))) <= 998


async def test_an_encoded_word_in_a_subject_is_plain_text(server: MailServer, local: SmtpNotifier) -> None:
    await local.send(letter(subject="=?utf-8?q?a=0D=0ABcc:_other=40example.org?="))
    assert server.letters[0]["Subject"] == "= ?utf-8?q?a=0D=0ABcc:_other=40example.org?="
    assert server.letters[0]["Bcc"] is None


async def test_a_long_name_of_the_server_leaves_the_message_id_whole(server: MailServer) -> None:
    sent = letter()
    domain = f"{'visits.' * 12}example.org"
    async with server.listening(LOCAL) as port:
        await SmtpNotifier(f"smtp://{LOCAL}:{port}", f"mail@{domain}").send(sent)
    assert f"Message-ID: <{sent.id}@{domain}>\r\n".encode() in server.raw[0]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_server_elsewhere_is_spoken_to_over_tls_only(server: MailServer, tmp_path: Path, scheme: str) -> None:
    theirs, ours = certificate(tmp_path)
    tls = {"starttls": theirs} if scheme == "smtp" else {"tls": theirs}
    async with server.listening(ELSEWHERE, **tls) as port:
        notifier = SmtpNotifier(f"{scheme}://{ACCOUNT}{ELSEWHERE}:{port}", SENDER, ours)
        await notifier.open()
        await notifier.send(letter())
    assert (server.secure, server.users) == ([True], [USER])


@pytest.mark.parametrize("trouble", ["no tls", "another name", "nobody vouches", "wrong password", "no password"])
async def test_without_what_protects_the_letter_it_stays_and_may_leave_later(
    server: MailServer, tmp_path: Path, trouble: str
) -> None:
    named = "127.0.0.3" if trouble == "another name" else ELSEWHERE
    theirs, ours = certificate(tmp_path, named)
    account = {"wrong password": "clinic:wrong@", "no password": ""}.get(trouble, ACCOUNT)
    believed: ssl.SSLContext | None = None if trouble == "nobody vouches" else ours
    async with server.listening(ELSEWHERE, starttls=None if trouble == "no tls" else theirs) as port:
        notifier = SmtpNotifier(f"smtp://{account}{ELSEWHERE}:{port}", SENDER, believed)
        await notifier.open()
        assert not await refused(notifier)
        with pytest.raises(Unavailable):
            await notifier.check()
    assert server.letters == []
    assert server.connections == 1


@pytest.mark.parametrize(
    ("command", "answer", "is_permanent"),
    [
        ("RCPT", "550 5.1.1 robin@example.org: no such user", True),
        ("RCPT", "553 5.1.3 bad address", True),
        ("RCPT", "450 4.2.0 robin@example.org: greylisted, come again", False),
        ("RCPT", "452 4.2.2 mailbox full", False),
        ("DATA", "554 5.7.1 looks like spam", True),
        ("DATA", "451 4.3.0 try again", False),
    ],
)
async def test_what_is_refused_of_the_letter_itself(
    server: MailServer,
    local: SmtpNotifier,
    command: str,
    answer: str,
    is_permanent: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.says = {command: answer}
    assert await refused(local) == is_permanent
    (line,) = [record for record in caplog.records if record.name == smtp_notifier.__name__]
    assert vars(line)["status"] == int(answer[:3])
    assert "robin" not in str(vars(line))
    await local.check()  # the server works
    server.says = {}
    await local.send(letter())  # and the next letter is not kept waiting
    assert len(server.letters) == 1


@pytest.mark.parametrize(("command", "answer"), [("MAIL", "550 not your address"), ("MAIL", "421 closing")])
async def test_what_is_refused_of_us_is_for_the_operator_to_put_right(
    server: MailServer, local: SmtpNotifier, command: str, answer: str
) -> None:
    server.says = {command: answer}
    assert not await refused(local)
    with pytest.raises(Unavailable):
        await local.check()


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_a_server_that_hangs_up_may_be_tried_again(
    server: MailServer, local: SmtpNotifier, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_notifier, "REST_S", 0.0)
    server.drop = command
    assert not await refused(local)
    server.drop = ""
    await local.send(letter())
    await local.check()


@pytest.mark.parametrize(("says", "drop"), [({"QUIT": "500 what?"}, ""), ({}, "QUIT")])
async def test_a_letter_is_taken_once_the_server_said_so(
    server: MailServer, local: SmtpNotifier, says: dict[str, str], drop: str
) -> None:
    server.says, server.drop = says, drop
    await local.send(letter())
    await local.check()
    assert len(server.letters) == 1


async def test_hung_up_on_after_the_letter_it_comes_again_under_its_id(
    server: MailServer, local: SmtpNotifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_notifier, "REST_S", 0.0)
    server.drop, sent = "after DATA", letter()
    with pytest.raises(Unavailable):
        await local.send(sent)
    server.drop = ""
    await local.send(sent)
    assert len(server.letters) == 2
    assert len(server.mailbox()) == 1
    assert server.raw[0] == server.raw[1]


async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_notifier, "STEP_S", 0.05)
    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), LOCAL, 0)
    notifier = SmtpNotifier(f"smtp://{LOCAL}:{silent.sockets[0].getsockname()[1]}", SENDER)
    assert not await refused(notifier)
    for writer in held:
        writer.close()
    silent.close()
    await silent.wait_closed()


async def test_a_server_that_is_not_there_is_left_alone_for_a_while(
    server: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(smtp_notifier, "REST_S", 1000.0)
    async with server.listening(LOCAL) as port:
        pass
    notifier = SmtpNotifier(f"smtp://{LOCAL}:{port}", SENDER)
    for _ in range(50):
        assert not await refused(notifier)
    assert len(caplog.records) == 1


async def test_no_more_than_a_few_connections_at_once(server: MailServer, local: SmtpNotifier) -> None:
    await asyncio.gather(*(local.send(letter()) for _ in range(3 * MAX_CONNECTIONS)))
    assert len(server.letters) == 3 * MAX_CONNECTIONS
    assert server.most_at_once == MAX_CONNECTIONS


async def test_who_is_stopped_lets_go_of_the_connection(server: MailServer, local: SmtpNotifier) -> None:
    sending = asyncio.create_task(local.send(letter()))
    while not server.at_once:
        await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await local.send(letter())
