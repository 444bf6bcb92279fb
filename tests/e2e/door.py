"""At the door: the demo clinic and its people, their letters, a passkey always at hand, and somebody else's site."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import playwright.async_api as playwright
from aiohttp import web
from msgspec.structs import replace

from medinova_rt import documents, sessions
from medinova_rt.access import PROOF_LIFE
from medinova_rt.cabinet import Cabinet
from medinova_rt.config import load
from medinova_rt.demo import PEOPLE, Somebody
from medinova_rt.ports import Replace
from medinova_rt.users import Users
from tests.e2e.browsers import ChromiumPage
from tests.e2e.faults import faults
from tests.e2e.keyboard import Keyboard
from tests.e2e.people import Person
from tests.e2e.polling import until
from tests.e2e.server import START_S, Server

CODE = r"(?m)^\s*(\d{6})\s*$"
LINK = r"https?://\S+(/(?:sign-in|invitation|profile)#\S+)"
ROLES = ("administrator", "clinician", "front desk", "patient", "interpreter", "operator")
ADMINISTRATOR, CLINICIAN, FRONT_DESK, PATIENT, INTERPRETER, OPERATOR = (
    next(each for each in PEOPLE if each.role == role) for role in ROLES
)


class Door(Server):
    """A server with the demo clinic."""

    def __init__(self, data: Path, beside: Mapping[str, str] | None = None, **settings: str) -> None:
        super().__init__(data, "demo", beside, **{"LOG_LEVEL": "info", **settings})

    async def start(self) -> None:
        await super().start()

        async def has_greeted() -> bool:
            return "Ctrl-C" in self.printed.read_text()

        await until(has_greeted, "the demo is made and its sign-ins are printed", START_S)

    async def command(self, *words: str) -> str:
        """Return what `medinova …` prints, beside the running server."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "medinova_rt", *words),
            env={**os.environ, **self.environment},
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
        assert process.returncode == 0
        return printed.decode()

    async def clinic(self, name: str) -> str:
        """Make a clinic, whose roles need a second factor; return its id."""
        return _said("clinic", await self.command("clinic", "add", name))

    async def employ(self, email: str, clinic: str, role: str) -> str:
        """Let somebody work at the clinic, whoever is new with the password that is returned."""
        words = (email, "--name", "Nina Ray", "--clinic", clinic, "--role", role)
        return _said("password", await self.command("user", "add", *words))

    async def forget_proof(self, email: str) -> None:
        """Let it be long ago that this user showed that it is them."""
        cabinet = Cabinet(load(self.environment))
        await cabinet.open()
        try:
            user = await Users(cabinet.store).by_email(email)
            assert user is not None
            page = await cabinet.store.find(sessions.BY_USER, (user.id,))
            for row in page.rows:
                session = sessions.read(row)
                long_ago = session.authenticated_at - 2 * PROOF_LIFE
                stale = replace(session, authenticated_at=long_ago, second_at=session.second_at and long_ago)
                aged = Replace(sessions.COLLECTION, row.id, documents.encode(stale), row.token)
                await cabinet.store.transact([aged])
        finally:
            await cabinet.close()

    def password(self, who: Somebody) -> str:
        """As it is printed at the start."""
        found = re.search(rf"{re.escape(who.email)}\s+(\S+)", self.printed.read_text())
        assert found, f"no sign-in of {who.email} is printed"
        return found[1]


def _said(what: str, printed: str) -> str:
    found = re.search(rf"(?m)^{what} +(\S+)", printed)
    assert found, printed
    return found[1]


class Visitor(Keyboard):
    """Somebody before a browser of their own, without a mouse."""

    def __init__(self, server: Door, person: Person) -> None:
        super().__init__(person.page)
        self.server, self.person = server, person

    @property
    def chromium(self) -> playwright.Page:
        assert isinstance(self.page, ChromiumPage)
        return self.page.page

    async def open(self, path: str) -> None:
        await self.page.goto(self.server.url + path)

    async def begin(self, email: str) -> None:
        """Go to the sign-in and give the address."""
        await self.open("/sign-in")
        await self.type("E-mail", email)
        await self.page.press("Enter")
        await self.sees("Welcome back")

    async def sign_in(self, who: Somebody) -> None:
        await self.begin(who.email)
        await self.type("Password", self.server.password(who))
        await self.page.press("Enter")
        await self.sees("Hello, ")

    async def path(self) -> str:
        return str(await self.page.evaluate("() => location.pathname + location.hash"))

    async def violations(self) -> list[str]:
        """What the page's security policy was broken by, since it was loaded."""
        found: list[str] = await self.page.evaluate("() => window.violations")
        return found

    async def reload(self) -> None:
        await self.page.reload()

    async def is_sound(self) -> None:
        """What is shown now has no fault that axe-core calls serious, and nothing of it is cut off."""
        assert await faults(self.page) == []


Meet = Callable[..., Awaitable[Visitor]]


@asynccontextmanager
async def authenticator(page: playwright.Page) -> AsyncIterator[None]:
    """A platform authenticator of Chromium's own, whose user says yes to everything."""
    tools = await page.context.new_cdp_session(page)
    await tools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    await tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield
    await tools.detach()


async def letter(door: Door, to: str, pattern: str, after: int = 0) -> str:
    """Return what the newest letter to this address has that fits `pattern`, once there are more than `after`."""

    async def arrived() -> str | None:
        letters = re.split(r"(?m)^(?=To: )", await door.command("outbox"))  # the newest last
        theirs = [each for each in letters if each.startswith(f"To: {to}")]
        found = re.findall(pattern, theirs[-1]) if len(theirs) > after else []
        return found[-1] if found else None

    return await until(arrived, f"a letter to {to} that has {pattern}")


@asynccontextmanager
async def elsewhere(content: str) -> AsyncIterator[str]:
    """Serve one page on another site, 127.0.0.1 instead of localhost; return its address."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=f"<!doctype html><title>Elsewhere</title>{content}", content_type="text/html")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()
