"""Every setting of the server: read once from `MEDINOVA_*`, typed, with its default and what it is for.

An unknown `MEDINOVA_*` name stops the start: a typing error in a setting that guards patients must not pass in silence.
No message repeats a value. A secret is marked by its type and may be given as the path of a file, `MEDINOVA_…_FILE`:
what is in the environment can be read in /proc as long as the process lives. docs/operations.md explains each setting
(a test compares).
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import getaddresses
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Meta, Struct

from medinova_rt.secret import Secret

PREFIX = "MEDINOVA_"
DEFAULT_PORT = 8080
MAX_SECRET = 4096  # bytes of a file with a secret

NOT_OURS = frozenset({"MEDINOVA_REQUIRE_NATIVE"})  # setup.py's: no setting of the server, and no typing error

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class SettingError(ValueError):
    """Carries one sentence that names the setting and what it accepts, never what it held."""


def _about(description: str, accepts: str, unit: str = "") -> Meta:
    return Meta(description=description, extra={"accepts": accepts, "unit": unit})


_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_WEB_KEY = re.compile(r"[A-Za-z0-9_-]{1,100}")
_EMULATOR = re.compile(r"(?:127\.0\.0\.1|localhost):[0-9]{1,5}")
_FILE = "the path of a file"
_PORT = "a whole number from 0 to 65535"
_KEY = "at least 32 characters"


@dataclass(frozen=True, slots=True)
class Firebase:
    """A project of Firebase; `key` says to browsers which one it is, and is no secret."""

    project: str
    key: str
    emulator: str = ""  # host:port, on this machine

    @property
    def toolkit(self) -> str:
        """Where browsers sign in."""
        return f"http://{self.emulator}" if self.emulator else "https://identitytoolkit.googleapis.com"

    @property
    def paths(self) -> str:
        """What comes before the version of a method there."""
        return f"{self.toolkit}/identitytoolkit.googleapis.com" if self.emulator else self.toolkit


class Settings(Struct, frozen=True, kw_only=True):
    """Field `listen_port` is `MEDINOVA_LISTEN_PORT`, and so on."""

    public_url: Annotated[
        str,
        _about(
            "Where browsers find the server; links, cookie names, allowed origins and the announced media addresses "
            "follow from it. Empty: localhost with the port listened on.",
            "an address like https://visits.example.org, without a path",
        ),
    ] = ""
    listen_host: Annotated[
        str, _about("The host name or address to listen on; `*` is every one of this machine.", "a host or `*`")
    ] = "localhost"
    listen_port: Annotated[
        int, _about("The TCP port to listen on; 0 takes a free one.", _PORT), Meta(ge=0, le=65535)
    ] = DEFAULT_PORT
    tls_certificate: Annotated[
        str, _about("Certificate chain (PEM) to serve https directly; with MEDINOVA_TLS_KEY.", _FILE)
    ] = ""
    tls_key: Annotated[str, _about("Private key (PEM) of MEDINOVA_TLS_CERTIFICATE.", _FILE)] = ""
    proxies: Annotated[
        str,
        _about(
            "Addresses and networks of reverse proxies whose X-Forwarded-For is believed when strangers are counted.",
            "IP addresses and networks like 10.0.0.0/8, parted by commas",
        ),
    ] = ""
    origins: Annotated[
        str,
        _about(
            "Other sites whose pages may use the REST API with a token, never with cookies (CORS). Empty: none.",
            "addresses like https://app.example.org, without a path, parted by commas",
        ),
    ] = ""
    keys: Annotated[
        str,
        _about(
            "Where the key-encryption keys are that patient data is sealed under in the end. Empty: in DATA/kek.json, "
            "made at first start; else a file elsewhere, or a key of Google Cloud KMS.",
            "the path of a file, or gcpkms://projects/…/locations/…/keyRings/…/cryptoKeys/…",
        ),
    ] = ""
    store: Annotated[
        str,
        _about(
            "Where the documents are. Empty: in a database in the data folder; else a database of Google Firestore.",
            "firestore://PROJECT/DATABASE, like firestore://my-project/(default)",
        ),
    ] = ""
    data: Annotated[str, _about("The folder for the database, keys and certificate.", "the path of a folder")] = "var"
    audit_key: Annotated[
        str,
        _about(
            "The file with the key that signs the audit trail's checkpoints. Empty: made at first start in "
            "DATA/audit.key.",
            _FILE,
        ),
    ] = ""
    audit_copies: Annotated[
        str,
        _about(
            "The folder to which those checkpoints are copied, best on a disk that whoever looks after the database "
            "cannot write to. Empty: DATA/checkpoints.",
            "the path of a folder",
        ),
    ] = ""
    media_port: Annotated[
        int, _about("The UDP port for the media of all; 0 takes a free one.", _PORT), Meta(ge=0, le=65535)
    ] = DEFAULT_PORT
    media_addresses: Annotated[
        str,
        _about(
            "The addresses announced to browsers for media. Empty: every usable one of this machine, "
            "with loopback only if the public URL is local.",
            "IP addresses parted by commas",
        ),
    ] = ""
    video_codec: Annotated[
        Literal["VP8", "VP9", "H264", "AV1"],
        _about("The video codec used when everybody in a visit can decode it.", "VP8, VP9, H264 or AV1"),
    ] = "VP8"
    engine: Annotated[
        Literal["auto", "native", "reference"],
        _about(
            "What moves media: the native engine, the reference one, or (auto) the native one if it was built along.",
            "auto, native or reference",
        ),
    ] = "auto"
    service_key: Annotated[
        Secret, _about("The bearer key of the REST API. Empty: made at first start in DATA/service.key.", _KEY)
    ] = Secret()
    secret: Annotated[
        Secret,
        _about("Signs links, cookies, tickets and access tokens. Empty: made at first start in DATA/secret.key.", _KEY),
    ] = Secret()
    mail_url: Annotated[
        Secret,
        _about(
            "The server that takes letters: `smtp://` (STARTTLS) or `smtps://`, each with user and password. Empty: "
            "letters are kept in the outbox, where an operator reads them.",
            "an address like smtp://user:password@mail.example.org:587",
        ),
    ] = Secret()
    mail_from: Annotated[
        str, _about("Who letters come from; with MEDINOVA_MAIL_URL.", "an address, or `Name <address>`")
    ] = ""
    old_secret: Annotated[
        Secret, _about("The MEDINOVA_SECRET of before: what it signed goes on counting. Empty: none.", _KEY)
    ] = Secret()
    identity: Annotated[
        str,
        _about(
            "Who proves who somebody is. Empty: this server, by passwords, codes and second factors of its own; else a "
            "project of Firebase, with its web API key.",
            "empty, or like firebase://my-project?key=WEB_API_KEY",
        ),
    ] = ""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        _about("The least severe log line that is written.", "debug, info, warning or error"),
    ] = "info"
    stop_s: Annotated[
        float,
        _about("How long a graceful stop may take.", "a number from 0.5 to 300", unit="s"),
        Meta(ge=0.5, le=300),
    ] = 10.0

    def __repr__(self) -> str:
        return f"Settings({self.public_url!r}, …)"  # some fields are secrets

    def on_port(self, port: int, host: str = "localhost") -> "Settings":
        """Return the settings with the port really listened on, and a public URL of `host` if none was given."""
        scheme = "https" if self.tls_certificate else "http"
        url = self.public_url or _public_url(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}")
        return msgspec.structs.replace(self, listen_port=port, public_url=url)

    @property
    def firebase(self) -> Firebase | None:
        return _firebase(self.identity) if self.identity else None

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https:")

    @property
    def is_local(self) -> bool:
        """Whether only browsers on this machine are meant."""
        return urlsplit(self.public_url).hostname in LOCAL_HOSTS

    @property
    def cookies_are_secure(self) -> bool:
        """Whether browsers take `Secure` and `__Host-` cookies from here: https, and http on this very machine."""
        return self.is_https or self.is_local

    def cookie_name(self, seat: str) -> str:
        return f"{'__Host-' if self.cookies_are_secure else ''}seat-{seat}"

    @property
    def session_cookie(self) -> str:
        """`__Host-`: of this host alone, over https alone, and no other host can have set it."""
        return f"{'__Host-' if self.cookies_are_secure else ''}session"

    @property
    def device_cookie(self) -> str:
        """By which a browser is known again that somebody has signed in from."""
        return f"{'__Host-' if self.cookies_are_secure else ''}device"

    def link_url(self, token: str) -> str:
        """Return a join link; the token is in the fragment, which no browser sends and no server logs."""
        return f"{self.public_url}/join#{token}"


FIELDS = {PREFIX + name.upper(): name for name in Settings.__struct_fields__}
SECRETS = frozenset(
    PREFIX + field.name.upper() for field in msgspec.structs.fields(Settings) if isinstance(field.default, Secret)
)
_TYPES = {field.name: field.type for field in msgspec.structs.fields(Settings)}
_FILES = {f"{name}_FILE": name for name in SECRETS}


def load(environ: Mapping[str, str]) -> Settings:
    """Return the settings of `environ`, where an empty value counts as absent; raises SettingError."""
    given = {name: value.strip() for name, value in environ.items() if name.startswith(PREFIX) and name not in NOT_OURS}
    for name in given:
        if name not in FIELDS and name not in _FILES:
            raise SettingError(_unknown(name))
    set_ = {name: value for name, value in given.items() if value}
    for file, name in _FILES.items():
        if file in set_ and name in set_:
            raise SettingError(f"{name} and {file} are the same setting: set one of them.")
        if file in set_:
            set_[name] = _read(file, set_.pop(file))
    settings = msgspec.convert({FIELDS[name]: _convert(name, value) for name, value in set_.items()}, Settings)
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise SettingError("MEDINOVA_TLS_CERTIFICATE and MEDINOVA_TLS_KEY go together: set both or neither.")
    if settings.mail_url and not settings.mail_from:
        raise SettingError("MEDINOVA_MAIL_URL needs MEDINOVA_MAIL_FROM: who do letters come from?")
    return settings


def describe(name: str) -> tuple[str, str, object, str]:
    """Return (description, what it accepts, default, unit) of a setting, e.g. of `MEDINOVA_STOP_S`."""
    info = msgspec.inspect.type_info(_TYPES[FIELDS[name]])
    assert isinstance(info, msgspec.inspect.Metadata)
    default = next(field.default for field in msgspec.structs.fields(Settings) if field.name == FIELDS[name])
    extra = info.extra or {}
    description = (info.extra_json_schema or {}).get("description", "")
    return description, extra["accepts"], default, extra["unit"]


def addresses(text: str) -> tuple[str, ...]:
    """Return the IP addresses of a comma list in their plain form; raises ValueError("not an IP address")."""
    try:
        return tuple(str(ip_address(part.strip())) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("not an IP address") from None


def _convert(name: str, value: str) -> object:
    field = FIELDS[name]
    try:
        check = _CHECKS.get(field)
        checked = check(value) if check else value
        return msgspec.convert(checked, _TYPES[field], strict=False, dec_hook=lambda kind, each: kind(each))
    except ValueError:  # msgspec.ValidationError is one
        raise SettingError(f"{name} must be {describe(name)[1]}; see docs/operations.md.") from None


def _read(name: str, path: str) -> str:
    """Return the secret in the file, without the line end that editors leave."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_SECRET + 1)
        if (secret := data.decode().strip()) and len(data) <= MAX_SECRET:
            return secret
    except (OSError, ValueError):
        pass
    raise SettingError(f"{name} must be the path of a file with a secret in it; see docs/operations.md.")


def _public_url(value: str) -> str:
    parts = urlsplit(value)
    plain = parts.scheme in ("http", "https") and parts.hostname and not parts.username and parts.password is None
    if not plain or parts.path not in ("", "/") or parts.query or parts.fragment or parts.port == 0:
        raise ValueError("not a plain origin")
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if parts.port in (None, default) else f":{parts.port}")


def _key(value: str) -> str:
    if len(value) < 32:
        raise ValueError("too short")
    return value


def _mail_url(value: str) -> str:
    parts = urlsplit(value)
    is_bare = parts.path in ("", "/") and not parts.query and not parts.fragment and parts.port != 0
    if parts.scheme not in ("smtp", "smtps") or not is_bare or not (parts.hostname or "").isascii():
        raise ValueError("not the address of a mail server")
    if not parts.hostname or bool(parts.username) != bool(parts.password):
        raise ValueError("no host, or a user without a password")
    return value


def _mail_from(value: str) -> str:
    try:
        ((name, address),) = getaddresses([value])
        whole = Address(name, addr_spec=address)
    except (MessageError, IndexError):  # what it raises for an empty one depends on how it is empty
        raise ValueError("no e-mail address") from None
    if not value.isprintable() or not address.isascii() or not whole.username or not whole.domain:
        raise ValueError("no e-mail address")
    return value


def _firebase(value: str) -> Firebase:
    parts = urlsplit(value)
    said = parse_qs(parts.query, keep_blank_values=True, strict_parsing=True, max_num_fields=2)
    found = Firebase(parts.netloc, *(said.get(name, [""])[0] for name in ("key", "emulator")))
    is_whole = parts.scheme == "firebase" and not parts.path and not parts.fragment
    if not is_whole or not _PROJECT.fullmatch(found.project) or not _WEB_KEY.fullmatch(found.key):
        raise ValueError("not a project with its key")
    if not {*said} <= {"key", "emulator"} or any(len(each) > 1 for each in said.values()):
        raise ValueError("more than a key")
    if "emulator" in said and not _EMULATOR.fullmatch(found.emulator):
        raise ValueError("not on this machine")
    return found


def _identity(value: str) -> str:
    _firebase(value)
    return value


def _addresses(value: str) -> str:
    return ",".join(addresses(value))


def _origins(value: str) -> str:
    return ",".join(_public_url(part.strip()) for part in value.split(",") if part.strip())


def _networks(value: str) -> str:
    return ",".join(str(ip_network(part.strip())) for part in value.split(",") if part.strip())


def firestore_place(value: str) -> tuple[str, str]:
    """Return the project and the database of `firestore://…`; raises ValueError("no place in Firestore")."""
    found = _FIRESTORE.fullmatch(value)
    if found is None:
        raise ValueError("no place in Firestore")
    return found[1], found[2]


_FIRESTORE = re.compile(r"firestore://([a-z][a-z0-9-]{4,28}[a-z0-9])/(\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9])")


KMS = "gcpkms://"
_KMS_KEY = re.compile(
    r"projects/[a-z0-9:.-]{1,63}/locations/[a-z0-9-]{1,63}/keyRings/[\w-]{1,63}/cryptoKeys/[\w-]{1,63}", re.ASCII
)


def _keys(value: str) -> str:
    if value.startswith(KMS) and not _KMS_KEY.fullmatch(value.removeprefix(KMS)):
        raise ValueError("no key of Cloud KMS")
    if "://" in value and not value.startswith(KMS):
        raise ValueError("no file, and nothing known")
    return value


def _store(value: str) -> str:
    firestore_place(value)
    return value


_CHECKS = {
    "public_url": _public_url,
    "keys": _keys,
    "store": _store,
    "service_key": _key,
    "secret": _key,
    "old_secret": _key,
    "mail_url": _mail_url,
    "mail_from": _mail_from,
    "identity": _identity,
    "proxies": _networks,
    "origins": _origins,
    "media_addresses": _addresses,
}


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, FIELDS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"{name} is no setting of this server.{hint} docs/operations.md lists them all."
