import random
from hashlib import sha256

import pytest

from medinova_rt.merkle import Tree


def root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, as it stands there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return sha256(b"\1" + root(leaves[:half]) + root(leaves[half:])).digest()


def test_it_is_the_tree_of_the_rfc_at_every_size_and_after_every_change() -> None:
    chance, tree, leaves = random.Random(6962), Tree(), list[bytes]()
    assert tree.root == root([])
    for n in range(70):
        leaves.append(b"leaf %d" % n)
        tree.put(n, leaves[n])
        assert (len(tree), tree.root) == (len(leaves), root(leaves))
        changed = chance.randrange(len(leaves))
        leaves[changed] = b"changed %d" % n
        tree.put(changed, leaves[changed])
        assert tree.root == root(leaves)


@pytest.mark.parametrize("index", [-1, 1])
def test_a_leaf_has_its_place(index: int) -> None:
    with pytest.raises(IndexError):
        Tree().put(index, b"")
