"""At the door: the demo clinic and its people, their letters, a passkey always at hand, and somebody else's site."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import playwright.async_api as playwright
from aiohttp import web

from medinova_rt.demo import PEOPLE, Somebody
from tests.e2e.browsers import ChromiumPage
from tests.e2e.keyboard import Keyboard
from tests.e2e.people import Person
from tests.e2e.polling import until
from tests.e2e.server import START_S, Server

ROLES = ("administrator", "clinician", "front desk", "patient")
ADMINISTRATOR, CLINICIAN, FRONT_DESK, PATIENT = (next(each for each in PEOPLE if each.role == role) for role in ROLES)


class Door(Server):
    """A server with the demo clinic."""

    def __init__(self, data: Path) -> None:
        super().__init__(data, "demo", LOG_LEVEL="info")

    async def start(self) -> None:
        await super().start()

        async def has_greeted() -> bool:
            return "Ctrl-C" in self.printed.read_text()

        await until(has_greeted, "the demo is made and its sign-ins are printed", START_S)

    def password(self, who: Somebody) -> str:
        """As it is printed at the start."""
        found = re.search(rf"{re.escape(who.email)}\s+(\S+)", self.printed.read_text())
        assert found, f"no sign-in of {who.email} is printed"
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


async def letters(server: Server) -> str:
    """What `medinova outbox` prints, the newest letter last."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "medinova_rt", "outbox"),
        env={**os.environ, **server.environment},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode()


async def letter(server: Server, to: str, pattern: str, after: int = 0) -> str:
    """Return what the newest letter to this address has that fits `pattern`, once there are more than `after`."""

    async def arrived() -> str | None:
        theirs = [each for each in re.split(r"(?m)^(?=To: )", await letters(server)) if each.startswith(f"To: {to}")]
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
