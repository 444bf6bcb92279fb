from types import SimpleNamespace

import ifaddr
import pytest

from medinova_rt.config import load
from medinova_rt.operations import addresses
from medinova_rt.operations.addresses import MediaAddresses, machine_addresses, media_addresses, outward_address

LOOPBACK = ["127.0.0.1", ("::1", 0, 0)]
HOME = [*LOOPBACK, ("fe80::1", 0, 3), "169.254.7.7", ("fd00::5", 0, 0), "192.168.1.5", "172.17.0.1"]


@pytest.fixture
def interfaces(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    adapters = [SimpleNamespace(ips=[SimpleNamespace(ip=ip)]) for ip in request.param]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: adapters)
    monkeypatch.setattr(addresses, "LOOK_UP_S", 0.05)  # no test has a name server


USABLE = ("172.17.0.1", "192.168.1.5", "fd00::5")


@pytest.mark.parametrize(
    ("interfaces", "loopback", "usable"),
    [
        (HOME, False, USABLE),
        (HOME, True, (*USABLE, "127.0.0.1", "::1")),
        (LOOPBACK, False, ("127.0.0.1", "::1")),
        ([f"10.0.0.{n}" for n in range(1, 40)], False, tuple(f"10.0.0.{n}" for n in range(1, 17))),
    ],
    indirect=["interfaces"],
)
@pytest.mark.usefixtures("interfaces")
def test_usable_addresses(loopback: bool, usable: tuple[str, ...]) -> None:
    assert machine_addresses(loopback=loopback) == usable


@pytest.mark.parametrize("interfaces", [HOME], indirect=True)
@pytest.mark.usefixtures("interfaces")
@pytest.mark.parametrize(
    ("settings", "bound", "announced"),
    [
        ({}, (*USABLE, "127.0.0.1", "::1"), (*USABLE, "127.0.0.1", "::1")),
        ({"PUBLIC_URL": "https://192.168.1.5"}, ("192.168.1.5", "172.17.0.1", "fd00::5"), None),
        ({"PUBLIC_URL": "https://203.0.113.4"}, USABLE, ("203.0.113.4", *USABLE)),
        ({"PUBLIC_URL": "https://203.0.113.4", "MEDIA_PORT": "0"}, USABLE, None),
        ({"PUBLIC_URL": "https://no-such-host.invalid"}, USABLE, None),
        ({"MEDIA_ADDRESSES": "127.0.0.1"}, ("127.0.0.1",), None),
        ({"MEDIA_ADDRESSES": "127.0.0.7"}, ("127.0.0.7",), None),
        ({"PUBLIC_URL": "https://a.example", "MEDIA_ADDRESSES": "192.168.1.5"}, ("192.168.1.5",), None),
        ({"PUBLIC_URL": "https://a.example", "MEDIA_ADDRESSES": "203.0.113.4"}, USABLE, ("203.0.113.4",)),
    ],
)
async def test_what_is_bound_and_announced(
    settings: dict[str, str], bound: tuple[str, ...], announced: tuple[str, ...] | None
) -> None:
    made = load({f"MEDINOVA_{name}": value for name, value in settings.items()}).on_port(8080)
    assert await media_addresses(made) == MediaAddresses(bound, announced or bound)


def test_the_outward_address_is_one_of_this_machine() -> None:
    assert outward_address() in machine_addresses(loopback=True)
