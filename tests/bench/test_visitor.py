"""The offer that participants of the bench bring."""

from bench.visitor import OFFER, offer
from media.sdp import parse


def test_an_offer_under_own_credentials_is_otherwise_the_browsers() -> None:
    ours, theirs = parse(offer("mine", "p" * 24, ":".join(["AB"] * 32))), parse(OFFER.read_bytes().decode())
    assert (ours.ice_ufrag, ours.ice_password) == ("mine", "p" * 24)
    assert ours.fingerprints == (("sha-256", ":".join(["AB"] * 32)),)
    assert ours.sections == theirs.sections
