"""Debian's Firefox ESR over WebDriver BiDi (W3C), just enough of it to drive a visit.

Playwright's own Firefox is a patched build that has to be downloaded, and its BiDi channel asks a stock Firefox for
commands that an ESR does not know; BiDi itself is a standard and a socket.
"""

import asyncio
import itertools
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.polling import until

PREFERENCES = {
    "media.navigator.streams.fake": True,  # a moving picture and a steady tone, no device needed
    "media.peerconnection.ice.loopback": True,
    "permissions.default.camera": 1,  # granted: without, only the default route is gathered, never loopback
    "permissions.default.microphone": 1,
    "media.autoplay.default": 0,
    "media.gmp-provider.enabled": False,  # no download of OpenH264: this is the Firefox without H.264
    "media.gmp-manager.updateEnabled": False,
    "remote.prefs.recommended": True,
    "app.update.disabledForTesting": True,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.server": "",
    "dom.security.https_first": False,
    "ui.prefersReducedMotion": 1,
}
KEYS = {
    "Tab": "\ue004", "Enter": "\ue007", "Space": " ", "Escape": "\ue00c", "Control": "\ue009", "Delete": "\ue017",
}  # fmt: skip

SEEN = "e => { e.scrollIntoView({block: 'center'}); return e.checkVisibility() && !e.disabled; }"


class BidiError(Exception):
    """The browser refused a command."""


class Firefox:
    """One browser process with a throw-away profile; each page lives in a user context (cookie jar) of its own."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._errors: dict[str, list[str]] = {}

    async def open(self, program: str) -> None:
        self._profile = _make_profile()
        self._process = await asyncio.create_subprocess_exec(
            program, "--headless", "--no-remote", "--profile", self._profile.name, "--remote-debugging-port=0",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stderr is not None
        async with asyncio.timeout(60):
            async for line in self._process.stderr:
                if found := re.search(rb"listening on (ws://\S+)", line):
                    break
            else:
                raise BidiError("Firefox ended before it listened")
        self._http = aiohttp.ClientSession()
        self._socket = await self._http.ws_connect(found[1].decode() + "/session", max_msg_size=0)
        self._reader = asyncio.gather(self._read(), self._drain(self._process.stderr))
        await self.send("session.new", capabilities={})
        await self.send("session.subscribe", events=["log.entryAdded"])

    async def close(self) -> None:
        await self.send("browser.close")
        await self._process.wait()
        await self._reader
        await self._http.close()
        self._profile.cleanup()

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        reply = await asyncio.wait_for(waiting, 30)
        if reply["type"] == "error":
            raise BidiError(f"{method}: {reply['error']}: {reply['message']}")
        return dict(reply["result"])

    async def new_context(self) -> str:
        return str((await self.send("browser.createUserContext"))["userContext"])

    async def new_page(self, context: str, script: str, width: int, height: int) -> "FirefoxPage":
        """Open a page in which `script` runs before any other."""
        made = await self.send("browsingContext.create", type="window", userContext=context)
        page = FirefoxPage(self, made["context"])
        self._errors[page.id] = page.errors
        await self.send("script.addPreloadScript", functionDeclaration=f"() => {{ {script} }}", contexts=[page.id])
        await self.send("browsingContext.setViewport", context=page.id, viewport={"width": width, "height": height})
        return page

    async def close_context(self, context: str) -> None:
        await self.send("browser.removeUserContext", userContext=context)

    async def _read(self) -> None:
        async for message in self._socket:
            said = json.loads(message.data)
            if said["type"] == "event":
                self._note(said["params"])
            elif not (waiting := self._waiting.pop(said["id"])).cancelled():
                waiting.set_result(said)

    def _note(self, entry: dict[str, Any]) -> None:
        errors = self._errors.get(entry["source"].get("context", ""))
        if errors is not None and entry["level"] == "error" and entry["type"] == "javascript":
            errors.append(str(entry["text"]))

    async def _drain(self, stderr: asyncio.StreamReader) -> None:
        async for _ in stderr:
            pass


class FirefoxPage:
    """A `tests.e2e.browsers.Page`."""

    def __init__(self, firefox: Firefox, id: str) -> None:
        self._firefox = firefox
        self.id = id
        self.errors: list[str] = []

    async def goto(self, url: str) -> None:
        await self._firefox.send("browsingContext.navigate", context=self.id, url=url, wait="complete")

    async def reload(self) -> None:
        await self._firefox.send("browsingContext.reload", context=self.id, wait="complete")

    async def evaluate(self, function: str, *arguments: Any) -> Any:
        """Call a JavaScript function in the page as if a person had just clicked; JSON in, JSON out."""
        declaration = f"async a => JSON.stringify((await ({function})(...JSON.parse(a))) ?? null)"
        text = {"type": "string", "value": json.dumps(arguments)}
        return json.loads(await self._call(declaration, text))

    async def _call(self, declaration: str, argument: dict[str, Any]) -> Any:
        reply = await self._firefox.send(
            "script.callFunction", functionDeclaration=declaration, arguments=[argument], awaitPromise=True,
            target={"context": self.id}, userActivation=True,
        )  # fmt: skip
        if reply["type"] == "exception":
            raise BidiError(reply["exceptionDetails"]["text"])
        return reply["result"].get("value")

    async def offers(self, role: str, name: str) -> bool:
        return bool(await self._find(role, name))

    async def _find(self, role: str, name: str) -> list[dict[str, Any]]:
        locator = {"type": "accessibility", "value": {"role": role, "name": name}}
        nodes = (await self._firefox.send("browsingContext.locateNodes", context=self.id, locator=locator))["nodes"]
        references = [{"sharedId": node["sharedId"]} for node in nodes]
        return [reference for reference in references if await self._call(SEEN, reference)]

    async def click(self, role: str, name: str) -> None:
        element = (await until(lambda: self._find(role, name), f"a {role} called {name}"))[0]
        await self._act(
            "pointer",
            {"type": "pointerMove", "x": 0, "y": 0, "origin": {"type": "element", "element": element}},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        )

    async def fill(self, role: str, name: str, text: str) -> None:
        await self.click(role, name)
        await self._act("key", *({"type": way, "value": key} for key in text for way in ("keyDown", "keyUp")))

    async def press(self, key: str) -> None:
        chord = key.split("+") if len(key) > 1 else [key]
        values = [KEYS.get(each, each) for each in chord]
        down = [{"type": "keyDown", "value": value} for value in values]
        await self._act("key", *down, *({"type": "keyUp", "value": value} for value in reversed(values)))

    async def _act(self, device: str, *actions: dict[str, Any]) -> None:
        source = {"type": device, "id": device, "actions": list(actions)}
        await self._firefox.send("input.performActions", context=self.id, actions=[source])

    async def close(self) -> None:
        await self._firefox.send("browsingContext.close", context=self.id)


def _make_profile() -> tempfile.TemporaryDirectory[str]:
    profile = tempfile.TemporaryDirectory(prefix="firefox-", ignore_cleanup_errors=True)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    Path(profile.name, "user.js").write_text("\n".join(lines))
    return profile
