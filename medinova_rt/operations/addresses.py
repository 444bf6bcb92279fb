"""Which addresses of this machine a browser could reach it by."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import ifaddr

MAX_ADDRESSES = 16  # each is a candidate that every browser tries; the rest are left out

Address = IPv4Address | IPv6Address


def machine_addresses(*, loopback: bool) -> tuple[str, ...]:
    """Return the usable interface addresses, IPv4 first, loopback last and only if wanted or nothing else is there."""
    found = {_parse(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips}
    usable = sorted(filter(_usable, found), key=lambda address: (address.version, int(address)))
    inside = sorted((a for a in found if a.is_loopback), key=lambda address: address.version)
    chosen = usable[: MAX_ADDRESSES - len(inside)] + (inside if loopback or not usable else [])
    return tuple(map(str, chosen))


def _parse(ip: str | tuple[str, int, int]) -> Address:
    return ip_address(ip if isinstance(ip, str) else ip[0])


def _usable(address: Address) -> bool:
    # link-local addresses mean nothing without an interface, and browsers don't announce theirs
    return not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified)
