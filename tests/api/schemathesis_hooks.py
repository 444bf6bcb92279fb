"""What schemathesis (tests/api/test_schema.py) cannot say in its configuration."""

import itertools
import re
from typing import Any

import schemathesis

from api import repeating

NUMBERS = itertools.count()


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Give each call a key of its own, where its key is one: else most would only be told that it is known."""
    key = (case.headers or {}).get(repeating.HEADER)
    if isinstance(key, str) and re.search(repeating.PATTERN, key):
        case.headers[repeating.HEADER] = f'"schemathesis-{next(NUMBERS)}"'
