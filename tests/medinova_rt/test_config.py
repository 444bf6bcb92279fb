from pathlib import Path

import msgspec
import pytest

from medinova_rt import config
from medinova_rt.config import SettingError, load

GOOGLE = "https://identitytoolkit.googleapis.com"


def test_the_defaults_serve_this_machine_alone() -> None:
    settings = load({"PATH": "/bin"}).on_port(8080)
    assert (settings.public_url, settings.listen_host, settings.listen_port) == (
        "http://localhost:8080",
        "localhost",
        8080,
    )
    assert settings.is_local


def test_an_empty_value_is_no_value() -> None:
    assert load(dict.fromkeys(config.FIELDS, "")) == load({})


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("MEDINOVA_PUBLIC_URI", "MEDINOVA_PUBLIC_URL"),
        ("MEDINOVA_MEDIA_ADDRESS", "MEDINOVA_MEDIA_ADDRESSES"),
        ("MEDINOVA_SERVICEKEY", "MEDINOVA_SERVICE_KEY"),
        ("MEDINOVA_log_level", ""),
        ("MEDINOVA_", ""),
    ],
)
def test_an_unknown_name_stops_the_start_and_the_nearest_is_named(name: str, near: str) -> None:
    with pytest.raises(SettingError) as refused:
        load({name: "hush"})
    assert name in str(refused.value)
    assert near in str(refused.value)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "visits.example.org"),
        ("PUBLIC_URL", "ftp://visits.example.org"),
        ("PUBLIC_URL", "https://visits.example.org/clinic"),
        ("PUBLIC_URL", "https://visits.example.org?x"),
        ("PUBLIC_URL", "https://hush@visits.example.org"),
        ("PUBLIC_URL", "https://"),
        ("PUBLIC_URL", "https://a:99999"),
        ("PUBLIC_URL", "https://[::1"),
        ("LISTEN_PORT", "65536"),
        ("LISTEN_PORT", "-1"),
        ("LISTEN_PORT", "http"),
        ("MEDIA_ADDRESSES", "192.0.2.1,media.example.org"),
        ("PROXIES", "10.0.0.1/8"),
        ("ORIGINS", "*"),
        ("ORIGINS", "https://a.example,https://b.example/x"),
        ("VIDEO_CODEC", "vp8"),
        ("STORE", "hush"),
        ("STORE", "firestore://demo-hush"),
        ("STORE", "firestore://demo-hush/"),
        ("STORE", "firestore://demo-hush/x"),
        ("STORE", "firestore://Demo-Hush/(default)"),
        ("STORE", "firestore://demo-hush/(default)/more"),
        ("SERVICE_KEY", "hush"),
        ("SECRET", "hush"),
        ("MAIL_URL", "mail.example.org"),
        ("MAIL_URL", "https://mail.example.org"),
        ("MAIL_URL", "smtp://"),
        ("MAIL_URL", "smtp://mail.example.org/hush"),
        ("MAIL_URL", "smtp://mail.example.org?tls=hush"),
        ("MAIL_URL", "smtp://hush@mail.example.org"),
        ("MAIL_URL", "smtp://:hush@mail.example.org"),
        ("MAIL_URL", "smtp://mail.example.org:99999"),
        ("MAIL_URL", "smtp://mäil.example.org"),
        ("MAIL_FROM", "hush"),
        ("MAIL_FROM", "hush@"),
        ("MAIL_FROM", "@example.org"),
        ("MAIL_FROM", "hüsh@example.org"),
        ("MAIL_FROM", "Clinic <hush"),
        ("MAIL_FROM", "a@example.org\r\nBcc: hush@example.org"),
        ("MAIL_FROM", "a@example.org, hush@example.org"),
        ("IDENTITY", "hush"),
        ("IDENTITY", "https://my-project?key=hush"),
        ("IDENTITY", "firebase://my-project"),
        ("IDENTITY", "firebase://my-project?key="),
        ("IDENTITY", "firebase://?key=hush"),
        ("IDENTITY", "firebase://My_Project?key=hush"),
        ("IDENTITY", "firebase://my-project/x?key=hush"),
        ("IDENTITY", "firebase://my-project?key=hush&key=hush"),
        ("IDENTITY", "firebase://my-project?key=hush&role=operator"),
        ("IDENTITY", "firebase://my-project?key=hush%22"),
        ("IDENTITY", "firebase://user:hush@my-project?key=hush"),
        ("IDENTITY", "firebase://my-project?key=hush#x"),
        ("IDENTITY", "firebase://my-project?key=hush&emulator="),
        ("IDENTITY", "firebase://my-project?key=hush&emulator=192.0.2.7:9099"),
        ("IDENTITY", "firebase://my-project?key=hush&emulator=localhost.example.org:9099"),
        ("IDENTITY", "firebase://my-project?key=hush&emulator=127.0.0.1:9099/x"),
        ("LOG_LEVEL", "verbose"),
        ("STOP_S", "0"),
        ("STOP_S", "nan"),
        ("STOP_S", "soon"),
    ],
)
def test_a_bad_value_is_named_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(SettingError) as refused:
        load({f"MEDINOVA_{name}": value})
    accepts = config.describe(f"MEDINOVA_{name}")[1]
    assert str(refused.value) == f"MEDINOVA_{name} must be {accepts}; see docs/operations.md."
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "url", ["smtp://localhost", "smtps://u:p@mail.example.org", "smtp://a%40b.example:p%40%2F%3A@mail.example.org:2525"]
)
@pytest.mark.parametrize("sender", ["mail@example.org", "MediNova <mail@example.org>", '"Señal, S.L." <mail@e.org>'])
def test_a_mail_server_and_who_letters_come_from(url: str, sender: str) -> None:
    settings = load({"MEDINOVA_MAIL_URL": url, "MEDINOVA_MAIL_FROM": sender})
    assert (settings.mail_url.reveal(), settings.mail_from) == (url, sender)


@pytest.mark.parametrize(
    ("given", "project", "key", "toolkit", "paths"),
    [
        ("firebase://my-project?key=AIza_k-1", "my-project", "AIza_k-1", GOOGLE, GOOGLE),
        (
            "firebase://demo-medinova?key=k&emulator=localhost:9099",
            "demo-medinova",
            "k",
            "http://localhost:9099",
            "http://localhost:9099/identitytoolkit.googleapis.com",
        ),
    ],
)
def test_a_project_of_firebase(given: str, project: str, key: str, toolkit: str, paths: str) -> None:
    found = load({"MEDINOVA_IDENTITY": given}).firebase
    assert found is not None
    assert (found.project, found.key, found.toolkit, found.paths) == (project, key, toolkit, paths)


@pytest.mark.parametrize("database", ["(default)", "keys-1"])
def test_a_place_in_firestore(database: str) -> None:
    given = load({"MEDINOVA_STORE": f"firestore://demo-medinova/{database}"}).store
    assert config.firestore_place(given) == ("demo-medinova", database)


def test_a_mail_server_needs_to_know_who_letters_come_from() -> None:
    with pytest.raises(SettingError, match=r"^MEDINOVA_MAIL_URL needs MEDINOVA_MAIL_FROM"):
        load({"MEDINOVA_MAIL_URL": "smtp://hush:hush@mail.example.org"})


def test_certificate_and_key_go_together() -> None:
    with pytest.raises(SettingError, match="go together"):
        load({"MEDINOVA_TLS_KEY": "key.pem"})


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://visits.example.org/", "https://visits.example.org"),
        ("https://visits.example.org:443", "https://visits.example.org"),
        ("http://localhost:80", "http://localhost"),
        ("HTTPS://Visits.Example.Org", "https://visits.example.org"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
        (" https://visits.example.org ", "https://visits.example.org"),
    ],
)
def test_the_public_url_is_kept_as_browsers_write_an_origin(given: str, url: str) -> None:
    assert load({"MEDINOVA_PUBLIC_URL": given}).public_url == url


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://visits.example.org", "__Host-seat-sea-1"),
        ("http://localhost:8080", "__Host-seat-sea-1"),
        ("http://127.0.0.1:8080", "__Host-seat-sea-1"),
        ("http://visits.example.org", "seat-sea-1"),
        ("http://192.168.1.5:8080", "seat-sea-1"),
    ],
)
def test_cookies_are_named_as_browsers_take_them(url: str, name: str) -> None:
    assert load({"MEDINOVA_PUBLIC_URL": url}).cookie_name("sea-1") == name


def test_the_port_and_scheme_listened_on_make_the_url() -> None:
    settings = load({"MEDINOVA_TLS_CERTIFICATE": "c.pem", "MEDINOVA_TLS_KEY": "k.pem", "MEDINOVA_LISTEN_PORT": "0"})
    assert settings.on_port(4711).public_url == "https://localhost:4711"
    assert settings.on_port(4711, "192.0.2.1").public_url == "https://192.0.2.1:4711"
    assert settings.on_port(443, "2001:db8::1").public_url == "https://[2001:db8::1]"


def test_a_link_holds_its_token_in_the_fragment() -> None:
    assert load({}).on_port(80).link_url("t") == "http://localhost/join#t"


SECRETS = {
    "MEDINOVA_SECRET": "k" * 32,
    "MEDINOVA_OLD_SECRET": "l" * 32,
    "MEDINOVA_SERVICE_KEY": "m" * 32,
    "MEDINOVA_MAIL_URL": "smtp://clinic:hush@mail.example.org",
}
FROM = {"MEDINOVA_MAIL_FROM": "a@example.org"}
# named like secrets, and none
NO_SECRETS = {"MEDINOVA_TLS_KEY", "MEDINOVA_AUDIT_KEY"}  # paths


def test_every_secret_is_marked_by_its_type() -> None:
    assert SECRETS.keys() == config.SECRETS
    named = {name for name in config.FIELDS if {"KEY", "SECRET", "PASSWORD", "TOKEN"} & set(name.split("_"))}
    told = {name for name in config.FIELDS if "password" in config.describe(name)[1]}
    assert named | told <= config.SECRETS | NO_SECRETS


def test_secrets_are_not_shown() -> None:
    settings = load({**SECRETS, **FROM})
    shown = repr(settings) + str(settings) + f"{settings}" + repr(msgspec.structs.asdict(settings))
    assert not [value for value in SECRETS.values() if value in shown]
    with pytest.raises(TypeError):
        msgspec.json.encode(settings)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_can_be_given_as_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRETS[name] + "\n")
    assert load({f"{name}_FILE": str(file), **FROM}) == load({name: SECRETS[name], **FROM})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "must be the path of a file with a secret"),
        (b"", "must be the path of a file with a secret"),
        (b" \n", "must be the path of a file with a secret"),
        (b"\xff" * 40, "must be the path of a file with a secret"),
        (b"k" * 5000, "must be the path of a file with a secret"),
        (b"hush", "MEDINOVA_SECRET must be at least 32 characters"),
    ],
)
def test_a_file_without_a_secret_is_named_and_not_repeated(tmp_path: Path, content: bytes | None, text: str) -> None:
    file = tmp_path / "hush"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingError, match=text) as refused:
        load({"MEDINOVA_SECRET_FILE": str(file)})
    assert "hush" not in str(refused.value)


def test_a_secret_is_given_once(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"^MEDINOVA_SECRET and MEDINOVA_SECRET_FILE are the same setting"):
        load({"MEDINOVA_SECRET": "k" * 32, "MEDINOVA_SECRET_FILE": str(tmp_path / "hush")})


def test_what_is_no_secret_has_no_file() -> None:
    with pytest.raises(SettingError, match=r"^MEDINOVA_LOG_LEVEL_FILE is no setting"):
        load({"MEDINOVA_LOG_LEVEL_FILE": "hush"})


@pytest.mark.parametrize("name", config.SECRETS)
def test_the_manual_says_which_are_secrets(name: str) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    (row,) = [line for line in manual.splitlines() if line.startswith(f"| `{name}` ")]
    assert f"Secret: or `{name}_FILE`." in row


@pytest.mark.parametrize("name", config.FIELDS)
def test_every_setting_says_what_it_is_for(name: str) -> None:
    description, accepts, _, _ = config.describe(name)
    assert description.endswith(".")
    assert accepts


@pytest.mark.parametrize("name", config.FIELDS)
def test_every_setting_has_its_row_in_the_manual(name: str) -> None:
    _, _, default, unit = config.describe(name)
    manual = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    (row,) = [line for line in manual.splitlines() if line.startswith(f"| `{name}` ")]
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[2] == unit
    assert (f"{default:g}" if isinstance(default, float) else str(default)) in cells[1]
