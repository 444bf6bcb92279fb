"""Which addresses a browser could reach this machine by, and so which are announced to it as media candidates."""

import asyncio
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

import ifaddr

from medinova_rt.config import Settings

MAX_ADDRESSES = 16  # each is a candidate that every browser tries; the rest are left out
LOOK_UP_S = 2.0
ELSEWHERE = "198.51.100.1"  # TEST-NET-2 (RFC 5737): nobody's

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class MediaAddresses:
    """`bound` are this machine's; `announced` may be those that a translation outside maps to them."""

    bound: tuple[str, ...]
    announced: tuple[str, ...]


async def media_addresses(settings: Settings) -> MediaAddresses:
    """Return what is bound and announced for media.

    Announced is what the setting says, else what the public URL's host stands for (a machine behind one-to-one address
    translation does not know that by itself) and every usable address of this machine. Loopback is announced, last, if
    the server is for this machine's own browsers or nothing else is there.
    """
    local = machine_addresses(loopback=settings.is_local)
    if settings.media_addresses:
        announced = tuple(settings.media_addresses.split(","))
    elif settings.is_local or not settings.media_port:  # a port that changes cannot be mapped from outside
        announced = local
    else:
        named = await _look_up(urlsplit(settings.public_url).hostname or "")
        announced = tuple(dict.fromkeys([*named, *local]))[:MAX_ADDRESSES]
    is_here = all(address in local or _parse(address).is_loopback for address in announced)
    return MediaAddresses(announced if is_here else local, announced)


def machine_addresses(*, loopback: bool) -> tuple[str, ...]:
    """Return the usable interface addresses, and loopback if it is wanted or the only one."""
    found = {_parse(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips}
    usable = sorted(filter(_is_usable, found), key=_order)
    inside = sorted((address for address in found if address.is_loopback), key=_order)
    chosen = usable[: MAX_ADDRESSES - len(inside)] + (inside if loopback or not usable else [])
    return tuple(map(str, chosen))


def outward_address() -> str:
    """Return the address of this machine that the rest of its network sees; loopback if it has no network."""
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        probe.connect((ELSEWHERE, 9))  # only asks for the route: connecting UDP sends nothing
        return str(probe.getsockname()[0])
    except OSError:
        return machine_addresses(loopback=False)[0]
    finally:
        probe.close()


async def _look_up(host: str) -> list[str]:
    try:
        async with asyncio.timeout(LOOK_UP_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, TimeoutError, UnicodeError):
        return []  # a name that only the network outside knows
    addresses = {_parse(str(address[0])) for _, _, _, _, address in found}
    return [str(address) for address in sorted(filter(_is_usable, addresses), key=_order)]


def _parse(ip: str | tuple[str, int, int]) -> Address:
    return ip_address(ip if isinstance(ip, str) else ip[0])


def _is_usable(address: Address) -> bool:
    # link-local addresses mean nothing without an interface, and browsers don't announce theirs
    return not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified)


def _order(address: Address) -> tuple[int, int]:
    return address.version, int(address)
