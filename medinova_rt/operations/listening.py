"""Binding the TCP port before anything else is made, so that links and origins can name the port really taken."""

import errno
import socket

ATTEMPTS = 20
UNREAD_MS = 60_000  # a connection whose other end takes nothing of what is sent is dropped after so long
Place = tuple[socket.AddressFamily, str]


def listen(host: str, port: int) -> list[socket.socket]:
    """Return bound sockets, one for each address of `host` (`*`: every one), all on one port (0: a free one).

    Raises OSError; an address family that this machine lacks is left out as long as there is another.
    """
    for _ in range(ATTEMPTS):
        try:
            return _bind(_places(host), port)
        except OSError as error:
            if port or error.errno != errno.EADDRINUSE:
                raise  # else: the port that was free for one address is taken for another
    raise OSError(errno.EADDRINUSE, "no port is free for every address")


def _places(host: str) -> list[Place]:
    found = socket.getaddrinfo(None if host == "*" else host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _bind(places: list[Place], port: int) -> list[socket.socket]:
    bound: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, address in places:
            try:
                bound.append(_bind_one(family, address, port))
                port = bound[0].getsockname()[1]
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                absent = error
        if absent and not bound:
            raise absent
    except OSError:
        for each in bound:
            each.close()
        raise
    return bound


def _bind_one(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; the connections accepted inherit it
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        made.bind((address, port))
    except OSError:
        made.close()
        raise
    return made
