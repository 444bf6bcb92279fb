"""signaling/asyncapi.py: the document has the shape of AsyncAPI 3.0, references lead somewhere, nothing is missing."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from signaling.asyncapi import close_codes, document
from signaling.messages import ClientMessage, ServerMessage, decode

DOCUMENT: dict[str, Any] = json.loads(json.dumps(document("1.2.3", "https://clinic.example:8443")))


def references(node: Any) -> Iterator[str]:
    match node:
        case {"$ref": str(to)}:
            yield to
        case dict():
            for each in node.values():
                yield from references(each)
        case list():
            for each in node:
                yield from references(each)
        case _:
            pass


def follow(reference: str) -> Any:
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_shape() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    assert DOCUMENT["servers"]["here"]["host"] == "clinic.example:8443"
    assert DOCUMENT["servers"]["here"]["protocol"] == "wss"
    [channel] = DOCUMENT["channels"].values()
    assert channel["address"] == "/v1/visits/{visit}/signal"
    assert "?" not in channel["address"]  # AsyncAPI 3.0: query parameters belong into bindings
    assert channel["bindings"]["ws"].keys() <= {"method", "query", "headers", "bindingVersion"}
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        # an operation refers to messages of its channel, not to components
        assert all(each["$ref"].startswith("#/channels/signal/messages/") for each in operation["messages"])


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert len(found) > 60
    for reference in found:
        assert follow(reference) is not None


@pytest.mark.parametrize(("kinds", "action"), [(get_args(ClientMessage), "receive"), (get_args(ServerMessage), "send")])
def test_every_message_has_its_operation_and_schema(kinds: tuple[type[msgspec.Struct], ...], action: str) -> None:
    for kind in kinds:
        tag = kind.__struct_config__.tag
        assert DOCUMENT["operations"][f"{action}.{tag}"]["action"] == action
        schema = follow(DOCUMENT["components"]["messages"][tag]["payload"]["$ref"])
        assert schema["properties"]["type"]["enum"] == [tag]
        assert set(schema["properties"]) == {"type", *kind.__struct_encode_fields__}
    operations = [name for name in DOCUMENT["operations"] if name.startswith(f"{action}.")]
    assert len(operations) == len(kinds)


def test_every_message_of_a_client_names_its_action() -> None:
    received = [each for name, each in DOCUMENT["operations"].items() if name.startswith("receive.")]
    assert all("x-action" in each for each in received)
    assert DOCUMENT["operations"]["receive.admit"]["x-action"] == "seat.admit"


def test_schemas_refuse_what_the_decoder_refuses() -> None:
    chat = DOCUMENT["components"]["schemas"]["Chat"]
    assert chat["additionalProperties"] is False
    assert chat["properties"]["text"]["maxLength"] == 2000
    with pytest.raises(ValueError, match="malformed"):
        decode('{"type":"chat","key":"k","text":"x","more":1}')


def test_close_codes_are_listed() -> None:
    listed = DOCUMENT["channels"]["signal"]["x-close-codes"]
    assert listed["4409"] == "taken-elsewhere"
    assert {int(code) for code in listed} == set(close_codes().values())
