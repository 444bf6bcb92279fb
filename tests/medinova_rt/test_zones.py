import zoneinfo

import pytest

from medinova_rt.errors import BadInput
from medinova_rt.zones import DEFAULT_ZONE, known_zone, known_zones


@pytest.mark.parametrize("name", ["Europe/Madrid", "America/Argentina/Buenos_Aires", "UTC", DEFAULT_ZONE])
def test_zones_that_there_are(name: str) -> None:
    assert known_zone(name) == name


@pytest.mark.parametrize(
    "name", ["", "Europe/Madrit", "europe/madrid", "../../etc/passwd", "Europe", "CEST", "zones", "posix/UTC", " UTC"]
)
def test_zones_that_there_are_not(name: str) -> None:
    with pytest.raises(BadInput) as refusal:
        known_zone(name)
    assert refusal.value.pointer == "/zone"


def test_the_machines_own_data_is_not_asked() -> None:
    assert zoneinfo.TZPATH == ()
    assert all(zoneinfo.ZoneInfo(name) for name in known_zones())
