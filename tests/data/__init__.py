"""Offers and packets of real browsers; see README.md here."""

from pathlib import Path

_FOLDER = Path(__file__).parent
OFFERS = sorted(path.stem for path in _FOLDER.glob("*.sdp"))


def offer(name: str) -> str:
    return (_FOLDER / f"{name}.sdp").read_bytes().decode()


def datagrams(pattern: str) -> list[bytes]:
    """Return the datagrams of all captures that match, e.g. `*-rtcp`."""
    found = []
    for path in sorted(_FOLDER.glob(f"{pattern}.bin")):
        data, position = path.read_bytes(), 0
        while position < len(data):
            end = position + 2 + int.from_bytes(data[position : position + 2], "big")
            found.append(data[position + 2 : end])
            position = end
    return found
