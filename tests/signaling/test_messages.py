"""signaling/messages.py: what decodes, and that nothing but one sentence escapes for what doesn't."""

import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.messages import (
    Admit,
    Chat,
    ClientMessage,
    End,
    Hello,
    Leave,
    Network,
    Offer,
    Pong,
    ServerMessage,
    Status,
    decode,
    encode,
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"hello","protocol":1}', Hello(protocol=1)),
        ('{"type":"hello","protocol":1,"capabilities":["x"],"resume":"r"}', Hello(1, ["x"], None, "r")),
        ('{"type":"offer","number":3,"sdp":"v=0"}', Offer(3, "v=0")),
        ('{"type":"status","microphone":true,"camera":false,"screen":false}', Status(True, False, False)),
        ('{"type":"network","mark":"poor"}', Network("poor")),
        ('{"type":"admit","seat":"sea-1"}', Admit("sea-1")),  # type: ignore[arg-type]
        ('{"type":"chat","key":"k","text":"\\u00e4"}', Chat("k", "ä")),
        ('{"type":"end"}', End()),
        ('{"type":"leave"}', Leave()),
        ('{"type":"pong"}', Pong()),
    ],
)
def test_decodes(text: str, message: ClientMessage) -> None:
    assert decode(text) == message
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nul",
        "[]",
        "{}",
        '"hello"',
        '{"type":"nonsense"}',
        '{"type":1}',
        '{"type":"hello"}',
        '{"type":"hello","protocol":"1"}',
        '{"type":"hello","protocol":1,"extra":true}',
        '{"type":"hello","protocol":1,"capabilities":' + json.dumps(["x"] * 33) + "}",
        '{"type":"offer","number":0,"sdp":"v=0"}',
        '{"type":"offer","number":1,"sdp":"' + "x" * 120_001 + '"}',
        '{"type":"status","microphone":true,"camera":true}',
        '{"type":"network","mark":"great"}',
        '{"type":"chat","key":"","text":"x"}',
        '{"type":"chat","key":"k","text":""}',
        '{"type":"chat","key":"k","text":"' + "x" * 2001 + '"}',
        '{"type":"admit","seat":"' + "s" * 41 + '"}',
        "[" * 100_000,
        '{"type":"chat","key":"k","text":"\\ud800"}',
        b'{"type":"chat","key":"k","text":"\xff"}',
    ],
)
def test_refuses(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"^message is malformed$"):
        decode(text)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
TAGS = st.sampled_from([kind.__struct_config__.tag for kind in get_args(ClientMessage)])
NEARLY = st.builds(
    lambda tag, more: json.dumps({**more, "type": tag}),
    TAGS,
    st.dictionaries(
        st.sampled_from(["protocol", "number", "sdp", "seat", "key", "text", "mark", "microphone", "resume"]), JSON
    ),
)


@given(st.binary() | st.text() | JSON.map(json.dumps) | NEARLY)
def test_nothing_else_escapes(data: bytes | str) -> None:
    try:
        message = decode(data)
    except ValueError as error:
        assert str(error) == "message is malformed"  # noqa: PT017
    else:
        assert decode(encode(message)) == message


@pytest.mark.parametrize("kind", [*get_args(ClientMessage), *get_args(ServerMessage)])
def test_every_type_says_what_it_is_and_has_a_tag_of_its_own(kind: type[msgspec.Struct]) -> None:
    assert kind.__doc__
    tags = [each.__struct_config__.tag for each in (*get_args(ClientMessage), *get_args(ServerMessage))]
    assert tags.count(kind.__struct_config__.tag) == 1
