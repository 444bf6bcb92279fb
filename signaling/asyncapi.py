"""The AsyncAPI 3.0 document of the signalling socket, made from the wire types themselves.

In AsyncAPI the application is the server: it *receives* what clients send.
"""

import inspect
from typing import Any, get_args
from urllib.parse import urlsplit

import msgspec

from signaling import messages, session
from signaling.messages import ClientMessage, ServerMessage
from signaling.websocket import PATH

SCHEMAS = "#/components/schemas/"
CHANNEL = "#/channels/signal"

VISIT = "The visit's id, as in the page's path."
SEAT = {
    "type": "object",
    "properties": {
        "seat": {
            "type": "string",
            "description": "The seat's id, as in the page's path; names the cookie that is read.",
        }
    },
    "required": ["seat"],
}


def document(version: str, public_url: str) -> dict[str, Any]:
    """Return it, ready for JSON; `public_url` as in the settings."""
    client, server = get_args(ClientMessage), get_args(ServerMessage)
    url = urlsplit(public_url)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "MediNova RT signalling",
            "version": version,
            "description": "A video visit over WebSocket: JSON text messages told apart by `type`. "
            "Sequences, close codes and error codes are described in docs/protocol.md.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "here": {
                "host": url.netloc,
                "protocol": "wss" if url.scheme == "https" else "ws",
                "security": [{"$ref": "#/components/securitySchemes/seat"}],
            }
        },
        "channels": {"signal": _channel((*client, *server))},
        "operations": {
            **{f"receive.{_tag(kind)}": _operation("receive", kind) for kind in client},
            **{f"send.{_tag(kind)}": _operation("send", kind) for kind in server},
        },
        "components": {
            "messages": {_tag(kind): _message(kind) for kind in (*client, *server)},
            "schemas": msgspec.json.schema_components((*client, *server), ref_template=SCHEMAS + "{name}")[1],
            "securitySchemes": {
                "seat": {
                    "type": "httpApiKey",
                    "in": "cookie",
                    "name": "__Host-seat-{seat}",
                    "description": "Set by POST /v1/links/exchange; or a one-time ticket in `hello`.",
                }
            },
        },
    }


def _channel(kinds: tuple[type[msgspec.Struct], ...]) -> dict[str, Any]:
    return {
        "address": PATH,
        "description": "One socket of one seat. The first message is `hello`.",
        "parameters": {"visit": {"description": VISIT}},
        "messages": {_tag(kind): {"$ref": f"#/components/messages/{_tag(kind)}"} for kind in kinds},
        "bindings": {"ws": {"method": "GET", "query": SEAT, "bindingVersion": "0.1.0"}},
        "x-close-codes": {str(code): name.lower().replace("_", "-") for name, code in close_codes().items()},
    }


def _operation(action: str, kind: type[msgspec.Struct]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "action": action,
        "channel": {"$ref": CHANNEL},
        "messages": [{"$ref": f"{CHANNEL}/messages/{_tag(kind)}"}],
    }
    if issubclass(kind, messages.ClientBase):
        operation["x-action"] = session.ACTIONS[kind].value  # the permission that it needs
    return operation


def _message(kind: type[msgspec.Struct]) -> dict[str, Any]:
    text = inspect.cleandoc(kind.__doc__ or "")
    return {
        "name": _tag(kind),
        "summary": text.partition("\n")[0],
        "description": text,
        "payload": {"$ref": SCHEMAS + kind.__name__},
    }


def close_codes() -> dict[str, int]:
    """Those of our own, by name."""
    return {name: code for name, code in vars(messages.Close).items() if name.isupper()}


def _tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)
