"""The client's picture of the wire is the server's."""

import re
from pathlib import Path
from typing import get_args

import pytest

from signaling.messages import PROTOCOL, ClientMessage, Close, ServerMessage

SOURCE = (Path(__file__).parents[2] / "web" / "messages.js").read_text()
TAGS = [each.__struct_config__.tag for each in (*get_args(ClientMessage), *get_args(ServerMessage))]
FIELDS = sorted({field for each in get_args(ServerMessage) for field in each.__struct_fields__})
FINAL = {4400, 4401, 4404, 4409, 4410, 4411}


@pytest.mark.parametrize("tag", TAGS)
def test_every_message_type_is_known(tag: str) -> None:
    assert f"'{tag}'" in SOURCE


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_from_the_server_is_known(field: str) -> None:
    assert re.search(rf"\b{field}\b", SOURCE)


def test_protocol_version() -> None:
    assert f"PROTOCOL = {PROTOCOL};" in SOURCE


@pytest.mark.parametrize(("name", "code"), [item for item in vars(Close).items() if isinstance(item[1], int)])
def test_final_close_codes_are_final(name: str, code: int) -> None:
    assert (f"[{code}, '" in SOURCE) == (code in FINAL)
