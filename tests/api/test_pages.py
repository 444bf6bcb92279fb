import asyncio
from pathlib import Path

import pytest

from api.pages import TYPES
from tests.api.conftest import Door


@pytest.mark.parametrize(
    ("path", "holds"),
    [
        *(
            (path, b"page")
            for path in ("/", "/sign-in", "/invitation", "/profile", "/people", "/patients", "/accesses", "/outbox")
        ),
        ("/join", b"join"),
        ("/visit/vis-1/sea-1", b"visit"),
    ],
)
async def test_pages(door: Door, path: str, holds: bytes) -> None:
    answer = await door.ask("GET", path, key=None)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert holds in answer.body


@pytest.mark.parametrize("path", ["/nothing", "/visit/vis-1", "/web/none.js"])
async def test_who_is_lost_sees_a_page_and_a_program_a_problem(door: Door, path: str) -> None:
    page = await door.ask("GET", path, key=None, headers={"Accept": "text/html,*/*;q=0.8"})
    assert (page.status, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert b"lost" in page.body
    assert (await door.ask("GET", path, key=None)).problem == (404, "not-found")
    assert (await door.ask("GET", f"/v1{path}", key=None, headers={"Accept": "text/html"})).problem == (
        404,
        "not-found",
    )


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/web/app.js", "text/javascript; charset=utf-8"),
        ("/web/views/seat.css", "text/css; charset=utf-8"),
        ("/web/icon.svg", "image/svg+xml"),
        ("/favicon.ico", "image/svg+xml"),
    ],
)
async def test_files_have_their_type(door: Door, path: str, kind: str) -> None:
    answer = await door.ask("GET", path, key=None)
    assert (answer.status, answer.headers["Content-Type"]) == (200, kind)


async def test_a_file_is_kept_and_asked_for_again(door: Door) -> None:
    answer = await door.ask("GET", "/web/app.js", key=None)
    assert answer.headers["Cache-Control"] == "no-cache"
    again = await door.ask("GET", "/web/app.js", key=None, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


async def test_head_is_get_without_a_body(door: Door) -> None:
    get, head = [await door.ask(method, "/web/app.js", key=None) for method in ("GET", "HEAD")]
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


@pytest.fixture
def traps(web_folder: Path) -> None:
    (web_folder.parent / "secret.js").write_text("secret")
    (web_folder.parent / "web2").mkdir()
    (web_folder.parent / "web2" / "secret.js").write_text("secret")
    (web_folder / "out.js").symlink_to(web_folder.parent / "secret.js")
    (web_folder / "up").symlink_to(web_folder.parent)
    (web_folder / "loop.js").symlink_to("loop.js")
    (web_folder / ".hidden.js").write_text("secret")
    (web_folder / "tsconfig.json").write_text("secret")
    (web_folder / "pipe.js").mkdir()


TRICKS = [
    "/web/",
    "/web",
    "/web/../secret.js",
    "/web/..%2fsecret.js",
    "/web/%2e%2e/secret.js",
    "/web/%2e%2e%2fsecret.js",
    "/web/..%5csecret.js",
    "/web/views/../../secret.js",
    "/web/views/..%2f..%2fsecret.js",
    "/web/%252e%252e/secret.js",
    "/web/../web2/secret.js",
    "/web/..%2fweb2%2fsecret.js",
    "/web//etc/passwd",
    "/web/%2fetc%2fpasswd",
    "/web//%2Fsecret.js",
    "/web/out.js",
    "/web/up/secret.js",
    "/web/loop.js",
    "/web/.hidden.js",
    "/web/tsconfig.json",
    "/web/app.js%00.css",
    "/web/%00",
    "/web/app.js/",
    "/web/app.js%2f..%2f..%2fsecret.js",
    "/web/views",
    "/web/pipe.js",
    "/web/nothing.js",
    "/web/" + "a" * 5000 + ".js",
    "/web/%ff.js",
    "/../secret.js",
    "/visit/../../secret.js",
]


@pytest.mark.usefixtures("traps")
@pytest.mark.parametrize("path", TRICKS)
async def test_paths_that_lead_elsewhere(door: Door, path: str) -> None:
    """Sent as they are, since a client would tidy them up first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(door.url.rpartition(":")[2]))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.split(b" ", 2)[1] == b"404"
    assert b"secret" not in answer


def test_everything_the_client_loads_can_be_served() -> None:
    folder = Path(__file__).parents[2] / "web"
    kinds = {file.suffix for file in folder.rglob("*") if file.is_file() and file.name != "tsconfig.json"}
    assert kinds <= TYPES.keys()
