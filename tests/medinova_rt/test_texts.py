import string

import pytest

from medinova_rt import mail
from medinova_rt.texts import LANGUAGES, catalogue, text

FIRST, *OTHERS = LANGUAGES
USED = {f"{template}.{part}" for template in mail.PARAMETERS for part in ("subject", "text")}


def placeholders(written: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(written) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_has_every_text_that_is_used_and_no_other(language: str) -> None:
    assert set(catalogue(language)) == USED


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("name", catalogue(FIRST))
def test_placeholders_are_the_same_in_every_language(language: str, name: str) -> None:
    assert placeholders(catalogue(language)[name]) == placeholders(catalogue(FIRST)[name])


@pytest.mark.parametrize("template", mail.PARAMETERS)
def test_a_template_uses_all_it_is_filled_in_with(template: mail.Template) -> None:
    subject, body = (placeholders(catalogue(FIRST)[f"{template}.{part}"]) for part in ("subject", "text"))
    assert subject | body == mail.PARAMETERS[template]
    assert subject <= {"clinic_name"}  # it is shown on locked screens


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_was_left_untranslated(language: str) -> None:
    assert [name for name, written in catalogue(language).items() if written == catalogue(FIRST)[name]] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_written_with_care(language: str) -> None:
    for name, written in catalogue(language).items():
        assert written == written.lstrip(" ")
        assert "  " not in written, name
        assert name.endswith(".text") or "\n" not in written


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("es", "Su código de acceso"),
        ("en", "Your sign-in code"),
        ("de", "Your sign-in code"),
        ("", "Your sign-in code"),
    ],
)
def test_a_language_without_a_catalogue_is_served_in_english(language: str, written: str) -> None:
    assert text("sign-in-code.subject", language) == written


def test_a_missing_value_or_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        text("invitation.subject", "en")
    with pytest.raises(KeyError):
        text("nothing.subject", "en")
