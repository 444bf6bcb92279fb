"""The pages of the browser client and the files they load, from the folder `web/` as they are."""

from pathlib import Path

from aiohttp import hdrs, web

from api.call import WEB, Call
from medinova_rt.errors import NotFound

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".mp3": "audio/mpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wav": "audio/wav",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}  # nothing else in the folder is served


async def page(call: Call[None]) -> web.FileResponse:
    """Where people sign in and work. One file: which page it is, its script reads from the path; whose data it shows is
    asked by what it loads.
    """
    return _file(call.app[WEB], "page.html")


async def join(call: Call[None]) -> web.FileResponse:
    """Where a join link leads: the page exchanges the token in its fragment by POST."""
    return _file(call.app[WEB], "join.html")


async def visit(call: Call[None]) -> web.FileResponse:
    """The page of a seat. The same for everyone: who may sit there is asked by what it loads."""
    return _file(call.app[WEB], "visit.html")


async def asset(call: Call[None]) -> web.FileResponse:
    """A script, style, picture or sound of the pages."""
    return _file(call.app[WEB], call.path["name"])


async def icon(call: Call[None]) -> web.FileResponse:
    """The icon that browsers ask for unasked."""
    return _file(call.app[WEB], "icon.svg")


def lost(request: web.Request) -> web.FileResponse | None:
    """What a person sees where nothing is; None for programs, which are told by a problem."""
    wants_page = request.method in ("GET", "HEAD") and "text/html" in request.headers.get(hdrs.ACCEPT, "")
    if not wants_page or request.path.startswith("/v1/"):
        return None
    page = _file(request.app[WEB], "lost.html")
    page.set_status(404)
    return page


def _file(folder: Path, name: str) -> web.FileResponse:
    """Return the file with an ETag to ask again by; raises NotFound for whatever is not a file inside `folder`."""
    file = _resolve(folder, name)
    if file is None:
        raise NotFound("There is nothing at this address.")
    # no-cache: kept, and asked for again each time, so that a new version is seen at once
    return web.FileResponse(file, headers={hdrs.CONTENT_TYPE: TYPES[file.suffix], hdrs.CACHE_CONTROL: "no-cache"})


def _resolve(folder: Path, name: str) -> Path | None:
    """Return the file if `name` is its plain name: nothing outside, nothing hidden, no detour."""
    try:
        file = (folder / name).resolve()  # follows links, so one that leads elsewhere has another name
        plain = file.relative_to(folder.resolve())
        is_plain = plain.as_posix() == name and not any(part.startswith(".") for part in plain.parts)
        return file if is_plain and file.suffix in TYPES and file.is_file() else None
    except (ValueError, OSError, RuntimeError):  # outside or a NUL, a name too long, links in a circle
        return None
