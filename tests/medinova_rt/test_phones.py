import pytest

from medinova_rt.errors import BadInput
from medinova_rt.phones import normal_phone


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+34 600 123 456", "+34600123456"),
        ("+44 (0)20 7946 0018", "+442079460018"),
        ("+39 06 1234 5678", "+390612345678"),
        ("+1-212-555-0100", "+12125550100"),
        ("+34600123456", "+34600123456"),
    ],
)
def test_a_number_has_one_form(text: str, expected: str) -> None:
    assert normal_phone(text) == expected
    assert normal_phone(expected) == expected


@pytest.mark.parametrize(
    "text", ["", "600 123 456", "0034600123456", "+", "+34", "+999123456", "+34 600 123 456 ext 5", "x", "+1" * 30]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(BadInput) as raised:
        normal_phone(text)
    assert raised.value.pointer == "/phone"
