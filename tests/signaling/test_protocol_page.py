"""docs/protocol.md: every message, field, close code and error code is there, and every example is a message."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from medinova_rt import errors
from signaling.asyncapi import close_codes
from signaling.flood import MAX_BYTES
from signaling.messages import ClientMessage, ServerMessage
from signaling.outbox import MAX_MESSAGES

PAGE_PATH = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
PAGE = PAGE_PATH.read_text()
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]}
KINDS = [(kind, ClientMessage) for kind in get_args(ClientMessage)] + [
    (kind, ServerMessage) for kind in get_args(ServerMessage)
]


@pytest.mark.parametrize(("kind", "union"), KINDS)
def test_every_message_is_described_with_its_fields_and_an_example(kind: type[msgspec.Struct], union: object) -> None:
    section = SECTIONS[str(kind.__struct_config__.tag)]
    for field in kind.__struct_encode_fields__:
        assert f"`{field}`" in section
    [example] = re.findall(r"```json\n(.*?)```", section, flags=re.DOTALL)
    assert type(msgspec.json.decode(example, type=union)) is kind
    shown = msgspec.json.decode(example)
    optional = set(kind.__struct_encode_fields__) if union is ClientMessage else set()
    assert set(shown) | optional >= {"type", *kind.__struct_encode_fields__}


def test_every_close_code_is_described() -> None:
    assert {str(code) for code in close_codes().values()} == {name for name in SECTIONS if name.isdigit()}


def test_every_error_code_is_described() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.DomainError)]
    rest_only = {"prove-again", "changed", "number-taken", "likely-duplicates", "not-linked"}
    rest_only |= {"idempotency-mismatch", "idempotency-running", "idempotency-unanswered"}
    assert {kind.code for kind in kinds} - rest_only <= set(SECTIONS)


def test_bounds_are_the_ones_in_force() -> None:
    assert f"{MAX_BYTES // 1024} KiB" in PAGE
    assert f"{MAX_MESSAGES} messages" in PAGE


def test_every_counter_is_listed() -> None:
    sources = "".join(path.read_text() for path in (PAGE_PATH.parents[1] / "signaling").glob("*.py"))
    counted = {
        *re.findall(r'counters\.add\(f?"signaling\.([a-z-]+)', sources),
        *re.findall(r'_count\("([a-z-]+)"', sources),
    }
    assert len(counted) > 12
    assert {name for name in counted if f"`signaling.{name}" not in PAGE} == set()
