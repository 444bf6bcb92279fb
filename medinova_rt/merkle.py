"""A Merkle tree over leaves that can change: one hash that stands for all of them (the shape of RFC 6962 §2.1).

Leaves and nodes are told apart by a first byte, so that none can pass for the other. A leaf that changes costs as many
hashes as the tree is high; a level is kept as one run of bytes, 64 bytes for a leaf in all.
"""

from hashlib import sha256

SIZE = 32


class Tree:
    def __init__(self) -> None:
        self._levels = [bytearray()]

    def __len__(self) -> int:
        return len(self._levels[0]) // SIZE

    @property
    def root(self) -> bytes:
        return bytes(self._levels[-1]) or sha256(b"").digest()

    def holds(self, index: int, leaf: bytes) -> bool:
        return self._levels[0][index * SIZE : (index + 1) * SIZE] == _of_leaf(leaf)

    def put(self, index: int, leaf: bytes) -> None:
        """Set the leaf at `index`, or add it at the end; raises IndexError beyond that."""
        if not 0 <= index <= len(self):
            raise IndexError("a leaf has no place there")
        value, level = _of_leaf(leaf), 0
        while True:
            row = self._levels[level]
            row[index * SIZE : (index + 1) * SIZE] = value
            if len(row) == SIZE:
                return
            index //= 2
            pair = bytes(row[2 * index * SIZE : 2 * (index + 1) * SIZE])
            value = sha256(b"\1" + pair).digest() if len(pair) > SIZE else pair  # one without a neighbour moves up
            level += 1
            if level == len(self._levels):
                self._levels.append(bytearray())


def _of_leaf(leaf: bytes) -> bytes:
    return sha256(b"\0" + leaf).digest()
