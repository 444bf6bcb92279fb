import pytest

from medinova_rt.operations.network import network


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "unknown", False),
        ("not an address", None, True),
    ],
)
def test_what_counts_as_one_household(one: str, other: str | None, same: bool) -> None:
    assert (network(one) == network(other)) is same
