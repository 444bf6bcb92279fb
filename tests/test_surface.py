"""What the server has not, so that nobody can attack it there, and what holds of all of it at once.

Each stands for an item of docs/evidence.toml that no single module answers.
"""

import ast
import re
import ssl
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from msgspec import Struct

from api import bodies, paging
from api.route import Route
from api.routes import ROUTES
from media import plane, stun
from medinova_rt import assembly, server, sessions
from medinova_rt.adapters.embedded_credentials import Credentials
from medinova_rt.config import load
from medinova_rt.errors import Unavailable
from medinova_rt.operations.certificate import self_signed
from tests.api.town import town

ROOT = Path(__file__).parent.parent
PACKAGES = ("medinova_rt", "api", "signaling", "media")
SECURITY = (ROOT / "docs" / "security.md").read_text()

# what the server speaks to of itself, each to where the settings say
CLIENT = re.compile(r"medinova_rt/adapters/(smtp_notifier|google_keys|(firestore|firebase|kms)_\w+)\.py")
IDS = {
    *("visit", "seat", "link", "clinic", "patient", "member", "relation", "emergency", "invitation", "account"),
    *("session", "passkey", "user", "operator", "invited", "erasure"),
}
CRYPTOGRAPHY = {"argon2", "cryptography", "jwt", "OpenSSL", "pylibsrtp", "pyotp", "ssl", "webauthn"}
# (RFC 8489 and RFC 3711 say so; as keyed digests both stand)
OLD_DIGESTS = {"media/stun.py", "media/transport.py", "media/engine.py", "media/srtp.py"}


@cache
def parsed(package: str) -> tuple[tuple[str, ast.Module], ...]:
    files = sorted((ROOT / package).rglob("*.py"))
    return tuple((str(file.relative_to(ROOT)), ast.parse(file.read_text())) for file in files)


def modules(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    for package in packages or PACKAGES:
        yield from parsed(package)


@cache
def imports(tree: ast.Module) -> set[str]:
    """Whole names of modules, and of what is taken from them."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return found


def within(names: set[str], roots: set[str]) -> set[str]:
    return {name for name in names if any(name == root or name.startswith(f"{root}.") for root in roots)}


def importing(*roots: str, packages: tuple[str, ...] = PACKAGES) -> set[str]:
    return {path for path, tree in modules(*packages) if within(imports(tree), set(roots))}


# --- files -----------------------------------------------------------------------------------------------------------


def test_no_route_takes_a_file() -> None:
    """Every body is JSON or a form of short fields, and none has a member of raw bytes."""
    assert {route.media_type for route in ROUTES if route.request} == {bodies.JSON, bodies.MERGE_PATCH, bodies.FORM}
    for kind in structs(route.request for route in ROUTES if route.request):
        for field in msgspec.structs.fields(kind):
            assert not {bytes, bytearray, memoryview} & set(get_args(field.type) or (field.type,)), (kind, field.name)


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "image/png", "application/zip", "text/csv"])
async def test_files_of_any_kind_are_refused(tmp_path: Path, kind: str) -> None:
    async with town(tmp_path) as built:
        for route in (each for each in ROUTES if each.request and not each.is_public and each.admits("service")):
            path = route.template.format(**built.ids)
            said = {"Content-Type": kind, "Idempotency-Key": f"file-{route.operation}", "If-Match": "*"}
            answer = await built.ask("service", route.method, path, said, data=b"\x89PNG\r\n\x1a\n")
            assert answer.status == 415, route.operation


def test_nothing_opens_archives_or_pictures() -> None:
    assert (
        importing(
            "zipfile", "tarfile", "gzip", "zlib", "bz2", "lzma", "PIL", "av", "cv2", packages=("api", "signaling")
        )
        == set()
    )
    assert importing("tarfile", "PIL", "av", "cv2", "shutil") == set()


def test_names_of_downloads_are_ours() -> None:
    """Of an export: the patient's id, which is one of ours by then."""
    for path, tree in modules("api", "signaling"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                named = [
                    value
                    for key, value in zip(node.keys, node.values, strict=True)
                    if isinstance(key, ast.Constant) and key.value == "Content-Disposition"
                ]
                assert {ast.unparse(value) for value in named} <= {"f'attachment; filename=\"{patient}.zip\"'"}, path
        assert path == "api/erasures.py" or "Content-Disposition" not in ast.dump(tree)


# --- addresses -------------------------------------------------------------------------------------------------------


def test_nothing_can_fetch_an_address() -> None:
    """There is no client of HTTP in the server, except in the adapters of what whoever runs it has chosen."""
    clients = importing(
        *("aiohttp.ClientSession", "aiohttp.client", "urllib.request", "http.client", "requests", "httpx", "urllib3"),
        *("aiosmtplib", "smtplib", "ftplib", "socketserver", "xmlrpc", "google", "firebase_admin", "grpc"),
    )
    assert not [path for path in clients if not CLIENT.fullmatch(path)]
    for path, tree in modules():
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert "ClientSession" not in names or CLIENT.fullmatch(path), path
        called = {ast.unparse(node.func).rpartition(".")[2] for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not called & {"open_connection", "create_connection", "urlopen"} or CLIENT.fullmatch(path), path


def test_no_request_names_an_address() -> None:
    named = re.compile(r"url|uri|href|callback|webhook|host|endpoint|address", re.IGNORECASE)
    kinds = structs(kind for route in ROUTES for kind in (route.request, route.query) if kind)
    assert not {f"{kind.__name__}.{name}" for kind in kinds for name in kind.__struct_fields__ if named.search(name)}


def test_no_address_holds_what_is_private() -> None:
    """Ids and pages alone: what somebody is looked for by stands in the body of a search."""
    named = {name for route in ROUTES for name in route.parameters}
    assert named <= IDS | {"name"}  # of a file of the client
    assert {route.query for route in ROUTES} == {None, paging.Paging}
    assert paging.Paging.__struct_fields__ == ("limit", "cursor")


def structs(kinds: Any) -> set[type[Struct]]:
    """With those that they hold."""
    found: set[type[Struct]] = set()

    def look(info: Any) -> None:
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in found:
                return
            found.add(info.cls)
            for field in info.fields:
                look(field.type)
        elif isinstance(info, msgspec.inspect.Metadata):
            look(info.type)
        elif isinstance(info, msgspec.inspect.UnionType):
            for each in info.types:
                look(each)
        elif item := getattr(info, "item_type", None):
            look(item)

    for kind in kinds:
        look(msgspec.inspect.type_info(kind))
    return found


@pytest.mark.parametrize("route", [each for each in ROUTES if each.request], ids=lambda route: route.operation)
def test_no_body_takes_a_member_that_it_does_not_name(route: Route) -> None:
    if route.form:  # RFC 6749, 3.2: what is unknown there is ignored, and reaches nothing
        return
    for kind in structs([route.request]):
        assert kind.__struct_config__.forbid_unknown_fields, kind


# --- media -----------------------------------------------------------------------------------------------------------


def test_nothing_is_relayed_for_strangers() -> None:
    """No method of TURN is known, and nothing of ours speaks it."""
    assert {each & 0x3EEF for each in stun.Kind} == {0x0001}
    assert importing("aioice.turn", "turn") == set()


def test_nothing_is_recorded() -> None:
    """The taps of the engines are there, and no part of the server turns one on."""
    assert importing("av", "aiortc.contrib.media") == set()
    for path, tree in modules("medinova_rt", "api", "signaling"):
        for node in ast.walk(tree):
            assert not (isinstance(node, ast.Attribute) and node.attr in ("tap", "tapped")), path


def test_the_dtls_certificate_is_of_this_process_alone() -> None:
    source = Path(plane.__file__).read_text()
    assert "Certificate.generateCertificate()" in source
    for path, tree in modules("media"):
        opened = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "open"]
        assert not opened, path


# --- cryptography ----------------------------------------------------------------------------------------------------


def inventory() -> str:
    return SECURITY.partition("\n## Cryptography\n")[2].partition("\n## ")[0]


def keyed() -> set[str]:
    """Who makes keyed digests; `hmac` is compared with in many other places."""
    named = {"hmac.new", "hmac.digest"}
    return {
        path
        for path, tree in modules()
        if any(isinstance(node, ast.Call) and ast.unparse(node.func) in named for node in ast.walk(tree))
    }


@pytest.mark.parametrize("path", sorted(importing(*CRYPTOGRAPHY) | keyed()))
def test_every_module_that_uses_cryptography_is_in_the_inventory(path: str) -> None:
    assert f"`{path}`" in inventory()


@pytest.mark.parametrize("name", ["secret.key", "service.key", "index.key", "demo.key", "certificate.key"])
def test_every_key_is_in_the_inventory(name: str) -> None:
    assert f"`{name}`" in inventory()


def test_no_weak_digest_or_mode_is_used() -> None:
    weak = re.compile(r"\b(md4|md5|sha1|rc4|ecb|cbc|3des|blowfish)\b|_SHA1_", re.IGNORECASE)
    for path, tree in modules():
        said = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        found = {each for each in said | names if weak.search(each) and len(each) < 60}
        assert not found or path in OLD_DIGESTS, (path, found)


def test_no_weak_random_numbers_are_used() -> None:
    """`random` spreads waits, and nothing else."""
    assert not [path for path in importing("random") if path != "medinova_rt/jobs.py" and not CLIENT.fullmatch(path)]


def test_tls_is_new_enough(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, ["127.0.0.1"], assembly.utc_now())
    context = server._tls(load({"MEDINOVA_TLS_CERTIFICATE": str(certificate), "MEDINOVA_TLS_KEY": str(key)}))
    assert context is not None
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    offered = context.get_ciphers()
    weak = [each["name"] for each in offered if each["strength_bits"] < 128 or "NULL" in each["name"]]
    assert not weak
    assert all(re.match(r"TLS_|ECDHE-|DHE-", each["name"]) for each in offered)  # each forward secret


# --- people ----------------------------------------------------------------------------------------------------------


def test_password_fields_are_hidden_and_named_for_managers() -> None:
    form = (ROOT / "web" / "form.js").read_text()
    assert "field({ type: 'password'" in form
    made = [
        line
        for file in sorted((ROOT / "web").rglob("*.js"))
        for line in re.findall(r"passwordField\(\{[^;]*", file.read_text())
        if not file.name.startswith("form")
    ]
    assert made
    assert all(re.search(r"autocomplete: '(current|new)-password'", line) for line in made)


def test_no_page_hinders_pasting() -> None:
    for file in (ROOT / "web").rglob("*.js"):
        assert not re.search(r"['\"]paste['\"]|onpaste", file.read_text()), file


def test_a_password_has_no_last_day() -> None:
    assert not {name for name in Credentials.__struct_fields__ if re.search("expire|rotat|until", name)}


def test_signing_out_is_in_the_header_of_every_page() -> None:
    assert "'data-test': 'sign-out'" in (ROOT / "web" / "header.js").read_text()
    assert "headerView(" in (ROOT / "web" / "page.js").read_text()


def test_the_limits_of_sessions_are_those_written_down() -> None:
    def words(limits: sessions.Limits) -> str:
        return f"{limits.idle.seconds // 60} min idle, {limits.absolute.total_seconds() / 3600:g} h in all"

    assert f"| session cookie of staff and operators | {words(sessions.STAFF)} |" in SECURITY
    assert f"| session cookie of everybody else | {words(sessions.OTHERS)} |" in SECURITY
    assert sessions.MAX_SESSIONS == 10
    assert "A user has at most ten sessions" in SECURITY


async def test_without_a_record_nothing_is_shown_or_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with town(tmp_path) as built:
        path = f"/v1/patients/{built.ids['patient']}"
        assert b"Pat-Here" in (await built.ask("treating", "GET", path)).body

        async def fail(*given: object) -> None:
            raise Unavailable("the store does not answer")

        seats = msgspec.json.encode({"seats": [{"role": "patient", "name": "Ben"}]})
        said = {"Content-Type": "application/json", "Idempotency-Key": "without-a-record"}
        with monkeypatch.context() as patch:
            patch.setattr(built.app[assembly.CABINET].documents, "transact", fail)
            shown = await built.ask("treating", "GET", path)
            done = await built.ask("service", "POST", "/v1/visits", said, data=seats)
            refused = await built.ask("clinician", "GET", path)
        assert (shown.status, done.status, refused.status) == (503, 503, 503)
        assert b"Pat" not in shown.body
        assert (await built.ask("treating", "GET", path)).status == 200
