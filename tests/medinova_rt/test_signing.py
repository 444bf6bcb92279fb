import base64

import pytest

from medinova_rt.signing import SigningKey, VerifyingKey

SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")  # RFC 8032 §7.1, test 1
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def test_what_is_signed_is_verified_with_the_public_key_alone() -> None:
    key = SigningKey(base64.urlsafe_b64encode(SEED).decode().rstrip("="))
    assert key.public == PUBLIC
    other = VerifyingKey(bytes.fromhex(PUBLIC))
    assert other.id == key.id
    assert key.sign(b"").startswith("e5564300c360ac72")
    assert other.verifies(b"said", key.sign(b"said"))


@pytest.mark.parametrize("signature", ["", "zz", "00" * 64, "00" * 63])
def test_what_is_no_signature_does_not_pass(signature: str) -> None:
    assert not VerifyingKey(bytes.fromhex(PUBLIC)).verifies(b"said", signature)


@pytest.mark.parametrize("seed", ["", "short", "!" * 43, "A" * 40])
def test_what_is_no_key_is_refused(seed: str) -> None:
    with pytest.raises(ValueError):
        SigningKey(seed)
