"""The real browsers: Debian's Chromium by Playwright, Debian's Firefox ESR by BiDi, behind one small Page.

A browser process is started once for each kind and pair of fake devices and serves the whole run; every person gets a
context (a cookie jar) of their own, and a second page of the same context is a second tab.
"""

import os
import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import playwright.async_api as playwright
import pytest

from tests.e2e.bidi import Firefox

Kind = Literal["chromium", "firefox"]
PROGRAMS: dict[Kind, str] = {"chromium": "chromium", "firefox": "firefox-esr"}

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)


@dataclass(frozen=True)
class Camera:
    """What the fake devices play, and the size and rate that the page gets of it."""

    width: int = 320
    height: int = 180
    frames_per_s: int = 15
    video: Path | None = None  # .mjpeg; None: the browser's own test picture
    audio: Path | None = None  # .wav; None: the browser's own beep or tone

    @property
    def script(self) -> str:
        """JavaScript that makes getUserMedia give this size, whatever the page asks for."""
        wanted = f"{{width: {self.width}, height: {self.height}, frameRate: {self.frames_per_s}}}"
        return f"""
            const devices = navigator.mediaDevices, real = devices?.getUserMedia.bind(devices);
            if (real) devices.getUserMedia = asked => real({{...asked,
                video: asked?.video && {{...(asked.video === true ? {{}} : asked.video), ...{wanted}}}}});
        """


SMALL = Camera()


# What a page's security policy was broken by; read by tests.
WATCH = """
    window.violations = [];
    addEventListener('securitypolicyviolation', event => window.violations.push(
        `${event.effectiveDirective} ${event.blockedURI}`));
"""


class Page(Protocol):
    """One tab. `errors` are the exceptions that its scripts let escape."""

    errors: list[str]

    async def goto(self, url: str) -> None: ...

    async def reload(self) -> None: ...

    async def evaluate(self, function: str, *arguments: Any) -> Any:
        """Call a JavaScript function in the page; JSON in, JSON out."""
        ...

    async def offers(self, role: str, name: str) -> bool:
        """Whether an element of this role and accessible name can be used now."""
        ...

    async def click(self, role: str, name: str) -> None:
        """Click it, once it is offered."""
        ...

    async def fill(self, role: str, name: str, text: str) -> None: ...

    async def press(self, key: str) -> None: ...

    async def close(self) -> None: ...


class ChromiumPage:
    def __init__(self, page: playwright.Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    async def goto(self, url: str) -> None:
        await self.page.goto(url)

    async def reload(self) -> None:
        await self.page.reload()

    async def evaluate(self, function: str, *arguments: Any) -> Any:
        return await self.page.evaluate(f"a => ({function})(...a)", list(arguments))

    async def offers(self, role: str, name: str) -> bool:
        found = self._locate(role, name)
        return await found.count() > 0 and await found.is_enabled()

    async def click(self, role: str, name: str) -> None:
        await self._locate(role, name).click()

    async def fill(self, role: str, name: str, text: str) -> None:
        await self._locate(role, name).fill(text)

    async def press(self, key: str) -> None:
        await self.page.keyboard.press(key)

    def _locate(self, role: str, name: str) -> playwright.Locator:
        found = self.page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]  # ours is any string
        return found.filter(visible=True).first

    async def close(self) -> None:
        await self.page.close()


class Context:
    """One person's browser: tabs in it share cookies and nothing else."""

    def __init__(self, browser: "playwright.Browser | Firefox", camera: Camera, width: int, height: int) -> None:
        self._browser, self._camera, self._size = browser, camera, (width, height)
        self._inner: playwright.BrowserContext | str | None = None

    async def page(self) -> Page:
        width, height = self._size
        if isinstance(self._browser, Firefox):
            self._inner = self._inner or await self._browser.new_context()
            assert isinstance(self._inner, str)
            return await self._browser.new_page(self._inner, self._camera.script + WATCH, width, height)
        if self._inner is None:
            phone = width < 600
            self._inner = await self._browser.new_context(
                viewport={"width": width, "height": height}, is_mobile=phone, has_touch=phone, reduced_motion="reduce"
            )
            await self._inner.add_init_script(self._camera.script + WATCH)
            self._inner.set_default_timeout(15_000)
        assert isinstance(self._inner, playwright.BrowserContext)
        return ChromiumPage(await self._inner.new_page())

    async def close(self) -> None:
        if isinstance(self._inner, str):
            assert isinstance(self._browser, Firefox)
            await self._browser.close_context(self._inner)
        elif self._inner is not None:
            await self._inner.close()
        self._inner = None


class Browsers:
    """Starts what is asked for, once; `close` ends everything."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._playwright: playwright.Playwright | None = None
        self._open: dict[tuple[Kind, Path | None, Path | None, int], playwright.Browser | Firefox] = {}

    async def context(
        self, kind: Kind = "chromium", camera: Camera = SMALL, width: int = 1280, height: int = 800
    ) -> Context:
        key = (kind, camera.video, camera.audio, camera.frames_per_s)
        if key not in self._open:
            self._open[key] = await (self._firefox() if kind == "firefox" else self._chromium(camera))
        return Context(self._open[key], camera, width, height)

    async def close(self) -> None:
        await self._stack.aclose()
        self._open.clear()

    async def _chromium(self, camera: Camera) -> playwright.Browser:
        if self._playwright is None:
            self._playwright = await self._stack.enter_async_context(playwright.async_playwright())
        flags = [*CHROMIUM_FLAGS, f"--use-fake-device-for-media-stream=fps={camera.frames_per_s}"]
        flags += [f"--use-file-for-fake-video-capture={camera.video.absolute()}"] if camera.video else []
        flags += [f"--use-file-for-fake-audio-capture={camera.audio.absolute()}"] if camera.audio else []
        browser = await self._playwright.chromium.launch(executable_path=_program("chromium"), args=flags)
        self._stack.push_async_callback(browser.close)
        return browser

    async def _firefox(self) -> Firefox:
        firefox = Firefox()
        await firefox.open(_program("firefox"))
        self._stack.push_async_callback(firefox.close)
        return firefox


def _program(kind: Kind) -> str:
    """Return the browser's path; without it the test is skipped, and in CI it fails."""
    name = PROGRAMS[kind]
    if path := shutil.which(name):
        return path
    missing = f"{name} is not installed (Debian: apt-get install {name})"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
