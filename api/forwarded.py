"""From where a request really comes, where proxies stand in front."""

import functools
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from aiohttp import web

from api.call import SETTINGS


def address(request: web.Request) -> str:
    """Return the address of the browser, or of whoever cannot prove to be only its proxy.

    Of `X-Forwarded-For` only what known proxies appended counts: the rightmost entry that is not one of them. No other
    forwarded header is believed, whoever sends it: scheme and host are those of the public URL.
    """
    proxies = _networks(request.app[SETTINGS].proxies)
    hops = [hop.strip() for line in request.headers.getall("X-Forwarded-For", []) for hop in line.split(",")]
    nearest = request.remote or "unknown"
    while hops and _is_in(nearest, proxies):
        nearest = hops.pop()
    return nearest if _is_address(nearest) else "unknown"


@functools.lru_cache(maxsize=4)
def _networks(proxies: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(each) for each in proxies.split(",") if each)


def _is_in(text: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    if not networks or not _is_address(text):
        return False
    ip = ip_address(text)
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in each for each in networks)


@functools.lru_cache(maxsize=1024)  # of any text; one connection asks for the same again and again
def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
