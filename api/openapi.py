"""OpenAPI 3.1 out of the route table: whatever serves a request also describes it, so the two cannot differ."""

import inspect
from collections.abc import Sequence
from typing import Any

import msgspec

from api.problems import MEDIA_TYPE, TABLE, Problem
from api.route import Route
from medinova_rt.access import Role
from medinova_rt.errors import DomainError

Json = dict[str, Any]

SECURITY_SCHEMES: Json = {
    "service": {"type": "http", "scheme": "bearer", "description": "The service key of the clinic's own systems."},
    "seat": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-seat-{seat}",
        "description": "The cookie that exchanging a join link sets; its name ends with the id of the seat.",
    },
}
HEADERS: Json = {
    "Location": {
        "description": "Where the new thing is read.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
}


def document(routes: Sequence[Route], *, version: str, public_url: str) -> Json:
    documented = [route for route in routes if route.tag != "pages"]
    structs = [kind for route in documented for kind in (route.request, route.response, *route.also.values()) if kind]
    _, schemas = msgspec.json.schema_components([*structs, Problem], ref_template="#/components/schemas/{name}")
    paths: Json = {}
    for route in documented:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MediNova RT",
            "version": version,
            "summary": "Video visits, for the systems of a clinic",
            "description": "The signalling of a visit over WebSocket is described at /asyncapi.json.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in documented)],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": SECURITY_SCHEMES, "headers": HEADERS},
    }


def security(route: Route) -> list[str]:
    """Return the schemes by which a caller can have the right; none: everyone has it.

    A seat's cookie is found by the seat in the path, so it says nothing where there is none.
    """
    if route.is_public:
        return []
    by_seat = "seat" in route.parameters and any(route.admits(role) for role in Role)
    return ["service"] * route.admits("service") + ["seat"] * by_seat


def _operation(route: Route) -> Json:
    operation: Json = {
        "operationId": route.operation,
        "tags": [route.tag],
        "summary": route.summary,
        "description": inspect.getdoc(route.handler) or route.summary,
        "security": [{scheme: []} for scheme in security(route)],
        "responses": {str(route.status): _success(route), **_failures(route)},
    }
    for status, kind in route.also.items():
        answer = operation["responses"].setdefault(str(status), {"description": route.summary, "content": {}})
        answer["content"]["application/json"] = {"schema": _ref(kind.__name__)}
    if route.parameters:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in route.parameters
        ]
    if route.request:
        content = {"application/json": {"schema": _ref(route.request.__name__)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _success(route: Route) -> Json:
    answer: Json = {"description": route.summary}
    if route.response:
        answer["content"] = {"application/json": {"schema": _ref(route.response.__name__)}}
    elif route.status != 204:
        kind = "object" if route.produces == "application/json" else "string"
        answer["content"] = {route.produces: {"schema": {"type": kind}}}
    if route.status == 201:
        answer["headers"] = {"Location": {"$ref": "#/components/headers/Location"}}
    return answer


def _failures(route: Route) -> Json:
    by_status: dict[int, list[type[DomainError]]] = {}
    for kind in route.problems:
        by_status.setdefault(TABLE[kind].status, []).append(kind)
    return {str(status): _failure(status, kinds) for status, kinds in by_status.items()}


def _failure(status: int, kinds: list[type[DomainError]]) -> Json:
    schema = {
        "allOf": [_ref("Problem"), {"properties": {"code": {"enum": [kind.code for kind in kinds]}}}],
    }
    failure: Json = {
        "description": "; ".join(f"`{kind.code}`: {TABLE[kind].title}" for kind in kinds),
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
    if status in (429, 503):
        failure["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    return failure


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
