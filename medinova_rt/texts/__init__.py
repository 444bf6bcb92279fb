"""What people are written, by language: a catalogue in TOML for each, with the same texts and the same placeholders.

A text is found by its dotted name (`sign-in-code.subject`). A language that has no catalogue is served in English.
"""

import functools
import tomllib
from importlib.resources import files

from medinova_rt.errors import BadInput

LANGUAGES = ("en", "es")  # the first is everybody's fallback

Catalogue = dict[str, str]


def text(name: str, language: str, **values: str) -> str:
    """Return the text with its placeholders filled in; raises KeyError for an unknown name or a missing value."""
    known = language if language in LANGUAGES else LANGUAGES[0]
    return catalogue(known)[name].format_map(values)


def known_language(language: str, pointer: str = "/language") -> str:
    """Return the language; raises BadInput where there is no catalogue of it."""
    if language not in LANGUAGES:
        raise BadInput(f"the languages here are {', '.join(LANGUAGES)}", pointer)
    return language


@functools.cache
def catalogue(language: str) -> Catalogue:
    """Every text of one of `LANGUAGES`, by name, as it is written."""
    tables = tomllib.loads(files(__name__).joinpath(f"{language}.toml").read_text("utf-8"))
    return {f"{table}.{name}": each for table, texts in tables.items() for name, each in texts.items()}
