"""Time zones by their IANA names, as the pinned `tzdata` package knows them; what the machine has is not asked."""

import functools
import zoneinfo
from importlib.resources import files

from medinova_rt.errors import BadInput

zoneinfo.reset_tzpath(())  # every ZoneInfo of this process comes out of the same data, whatever the machine has

DEFAULT_ZONE = "UTC"


@functools.cache
def known_zones() -> frozenset[str]:
    """Every name that there is."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


def known_zone(name: str, pointer: str = "/zone") -> str:
    """Return the name; raises BadInput where there is no such zone."""
    if name not in known_zones():
        raise BadInput("there is no such time zone; Europe/Madrid is one", pointer)
    return name
