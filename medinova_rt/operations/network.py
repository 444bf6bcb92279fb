"""What counts as one caller where callers are counted: whatever one household, or one attacker, has for itself."""

from ipaddress import IPv6Address, ip_address


def network(address: str | None) -> str:
    """Return a name for an IPv4 address, or for the /64 of an IPv6 address; whatever is neither is "unknown"."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return "unknown"
    if not isinstance(ip, IPv6Address):
        return str(ip)
    return str(ip.ipv4_mapped or int(ip) >> 64)
