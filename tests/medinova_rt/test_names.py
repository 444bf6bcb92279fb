import pytest

from medinova_rt.errors import BadInput
from medinova_rt.names import MAX_NAME, fit_name


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("Amira Haddad", "Amira Haddad"), ("  Noor ", "Noor"), ("علی\u200cرضا", "علی\u200cرضا"), ("x" * MAX_NAME,) * 2],
)
def test_names_are_kept_as_typed(typed: str, kept: str) -> None:
    assert fit_name(typed) == kept


@pytest.mark.parametrize("typed", ["", "   ", "x" * (MAX_NAME + 1), "a\nb", "a\x1b[2J", "a\u202eb", "a\u2028b", "\x7f"])
def test_what_is_no_name(typed: str) -> None:
    with pytest.raises(BadInput) as refusal:
        fit_name(typed, "/given")
    assert refusal.value.pointer == "/given"
