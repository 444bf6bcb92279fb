import copy
import json
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from medinova_rt.secret import Secret

HUSH = "hush-hush"


@pytest.mark.parametrize("show", [str, repr, ascii, "{}".format, "%s".__mod__, "%r".__mod__, dir])
def test_it_does_not_show_itself(show: Callable[[object], object]) -> None:
    assert HUSH not in str(show(Secret(HUSH)))
    assert HUSH not in str(show([Secret(HUSH)])) + f"{Secret(HUSH):>20}"


@pytest.mark.parametrize("write", [json.dumps, msgspec.json.encode, pickle.dumps, copy.deepcopy])
def test_it_is_not_written_down(write: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError) as refused:
        write(Secret(HUSH))
    assert HUSH not in "".join(traceback.format_exception(refused.value))


def test_it_is_compared_and_revealed() -> None:
    assert Secret(HUSH) == Secret(HUSH) != Secret("other")
    assert Secret(HUSH) != HUSH
    assert Secret(HUSH).reveal() == HUSH
    assert Secret(HUSH)
    assert not Secret()
    assert len({Secret(HUSH), Secret(HUSH)}) == 1
