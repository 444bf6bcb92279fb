"""What schemathesis (tests/api/test_schema.py) cannot say in its configuration."""

import itertools
import json
import os
import re
from typing import Any

import schemathesis

KEY = "MEDINOVA_TEST_KEY"  # the environment's names: for the header of keys and their pattern
OTHER = "MEDINOVA_TEST_OTHER"  # for another patient
CROWD = "MEDINOVA_TEST_CROWD"  # and for the cookies of all who are the same, the caller's first
NUMBERS = itertools.count()
HEADER, PATTERN = json.loads(os.environ.get(KEY, '["", ""]'))  # not imported: it would take half as long again to start
COOKIES: list[str] = json.loads(os.environ.get(CROWD, "[]"))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Give each call a key of its own, where its key is one: else most would only be told that it is known.

    And name a record that is there where a body names one by a made-up id that could be one.
    """
    key = (case.headers or {}).get(HEADER)
    if isinstance(key, str) and re.search(PATTERN, key):
        case.headers[HEADER] = f'"schemathesis-{next(NUMBERS)}"'
    if isinstance(case.body, dict) and re.fullmatch(r"pat-[0-9a-z-]{1,36}", str(case.body.get("other", ""))):
        case.body = {**case.body, "other": os.environ[OTHER]}


class Turns:
    """Ask as one after the other who is the same: each has a limit of their own, so nobody waits so often."""

    def get(self, case: Any, context: Any) -> str:
        is_own = case.path == "/v1/sign-out" or case.path.startswith("/v1/me")
        return COOKIES[0 if is_own else next(NUMBERS) % len(COOKIES)]

    def set(self, case: Any, data: str, context: Any) -> None:
        name, _, value = data.partition("=")
        case.cookies = {**(case.cookies or {}), name: value}


if COOKIES:
    schemathesis.auth(refresh_interval=None)(Turns)
