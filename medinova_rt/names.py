"""Names that people give to people and clinics: one line of text, as it is typed."""

import re

from medinova_rt.errors import BadInput

MAX_NAME = 80

# controls, line ends, overrides of writing direction; joiners stay, some scripts need them
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def fit_name(text: str, pointer: str = "/name") -> str:
    """Return the name without spaces at its ends; raises BadInput."""
    name = text.strip()
    if not 1 <= len(name) <= MAX_NAME or _UNFIT.search(name):
        raise BadInput(f"a name has 1 to {MAX_NAME} characters, none of which controls a terminal or a line", pointer)
    return name
