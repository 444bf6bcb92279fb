"""OpenAPI 3.1 out of the route table: whatever serves a request also describes it, so the two cannot differ."""

import inspect
import typing
from collections.abc import Sequence
from typing import Any

import msgspec

from api import repeating
from api.problems import MEDIA_TYPE, TABLE, Problem
from api.repeating import Repeat
from api.route import Route
from medinova_rt import ids
from medinova_rt.errors import DomainError
from medinova_rt.principals import Role

Json = dict[str, Any]
Known = dict[Any, Json]  # how a Struct is referred to

SECURITY_SCHEMES: Json = {
    "service": {"type": "http", "scheme": "bearer", "description": "The service key of the clinic's own systems."},
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token of a signed-in user, or of a service account.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-session",
        "description": "The cookie that signing in sets.",
    },
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
    "ETag": {
        "description": "Which version this is: for `If-Match`, and for `If-None-Match` when reading again.",
        "schema": {"type": "string", "pattern": '^"([0-9]+-)?[0-9a-f]{16}"$'},
    },
    "Link": {"description": 'The next page, as `rel="next"` (RFC 8288).', "schema": {"type": "string"}},
    "RateLimit": {
        "description": "What is left of each limit (draft-ietf-httpapi-ratelimit-headers).",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {"description": "The limits that counted the request.", "schema": {"type": "string"}},
    "Deprecation": {"description": "Since when (RFC 9745).", "schema": {"type": "string"}},
    "Sunset": {"description": "From when on it may be gone (RFC 8594).", "schema": {"type": "string"}},
}
# what the path's parameters are called → what the responses' `id` is, and how it begins
IDS: dict[str, tuple[Any, str]] = {
    "clinic": (ids.ClinicId, "cli"),
    "visit": (ids.VisitId, "vis"),
    "seat": (ids.SeatId, "sea"),
    "link": (ids.LinkId, "lnk"),
    "patient": (ids.PatientId, "pat"),
    "member": (ids.UserId, "usr"),
    "relation": (ids.GrantId, "gra"),
    "emergency": (ids.EmergencyId, "eme"),
    "erasure": (ids.ErasureId, "era"),
    "invitation": (ids.InvitationId, "inv"),
    "invited": (None, "inv"),
    "account": (ids.AccountId, "acc"),
    "session": (ids.SessionId, "ses"),
    "passkey": (None, "psk"),
}
PARAMETERS: Json = {
    "IdempotencyKey": {
        "name": repeating.HEADER,
        "in": "header",
        "description": "A text of your own for this act: the same request again gets the same answer, for 24 hours.",
        "schema": {"type": "string", "pattern": repeating.PATTERN, "maxLength": 130},
        "example": '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "required": True,
        "description": "The `ETag` of the version that you have seen, or `*` for whichever there is.",
        "schema": {"type": "string", "pattern": r'^(\*|"[1-9][0-9]{0,17}-[0-9a-f]{16}")$'},
        "example": "*",
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The `ETag` of what you have: 304 if it is still that.",
        "schema": {"type": "string"},  # whatever it names that is not ours is not what there is
    },
}


def document(routes: Sequence[Route], *, version: str, public_url: str) -> Json:
    documented = [route for route in routes if route.tag != "pages"]
    structs = [kind for route in documented for kind in (route.request, route.response, *route.also.values()) if kind]
    references, schemas = msgspec.json.schema_components(
        [*structs, Problem], ref_template="#/components/schemas/{name}"
    )
    known = dict(zip([*structs, Problem], references, strict=True))
    paths: Json = {}
    for route in documented:
        operation = paths.setdefault(route.template, {})[route.method.lower()] = _operation(route, known)
        if links := _links(route, documented):
            operation["responses"][str(route.status)]["links"] = links
    required = {**PARAMETERS["IdempotencyKey"], "required": True}
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
        "components": {
            "schemas": schemas,
            "securitySchemes": SECURITY_SCHEMES,
            "headers": HEADERS,
            "parameters": {**PARAMETERS, "RequiredIdempotencyKey": required},
        },
    }


def security(route: Route) -> list[str]:
    """Return the schemes by which a caller can have the right; none: everyone has it.

    A seat's cookie is found by the seat in the path, so it says nothing where there is none.
    """
    if route.is_public:
        return []
    by_seat = "seat" in route.parameters and any(route.admits(role) for role in Role)
    by_key, people = route.admits("service"), route.admits_people
    by_token = by_key or bool(people - {"half"})
    return ["service"] * by_key + ["token"] * by_token + ["session"] * bool(people) + ["seat"] * by_seat


def _operation(route: Route, known: Known) -> Json:
    operation: Json = {
        "operationId": route.operation,
        "tags": [route.tag],
        "summary": route.summary,
        "description": inspect.getdoc(route.handler) or route.summary,
        "security": [{scheme: []} for scheme in security(route)],
        "responses": {str(route.status): _success(route, known), **_failures(route)},
    }
    for status, kind in route.also.items():
        answer = operation["responses"].setdefault(str(status), {"description": route.summary, "content": {}})
        answer["content"]["application/json"] = {"schema": known[kind]}
    if route.is_safe and route.response and route.is_api:
        operation["responses"]["304"] = {"description": "It is still what you have.", "headers": _headers("ETag")}
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if route.request:
        schema = known[route.request]
        if route.form:  # what it has to say is missed by the handler, which answers as forms are answered
            needed = [
                each.encode_name for each in msgspec.structs.fields(route.request) if each.default is msgspec.UNSET
            ]
            schema = {"allOf": [schema, {"required": needed}]}
        content = {route.media_type: {"schema": schema}}
        operation["requestBody"] = {"required": True, "content": content}
    if route.deprecated:
        operation["deprecated"] = True
    return operation


def _parameters(route: Route) -> list[Json]:
    found: list[Json] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": f"^{IDS[name][1]}-[0-9a-z-]{{1,36}}$"},
        }
        for name in route.parameters
    ]
    if route.query:
        _, schemas = msgspec.json.schema_components([route.query])
        schema = schemas[route.query.__name__]
        needed = schema.get("required", [])
        for name, kind in schema["properties"].items():
            about = {"description": kind.pop("description")} if "description" in kind else {}
            found.append({"name": name, "in": "query", "required": name in needed, **about, "schema": _plain(kind)})
    if route.repeats is not Repeat.NEVER:
        required = "Required" if route.repeats is Repeat.REQUIRED else ""
        found.append({"$ref": f"#/components/parameters/{required}IdempotencyKey"})
    if route.precondition:
        found.append({"$ref": "#/components/parameters/IfMatch"})
    if route.is_safe and route.response and route.is_api:
        found.append({"$ref": "#/components/parameters/IfNoneMatch"})
    return found


def _links(route: Route, routes: Sequence[Route]) -> Json:
    """Return what can be done next with what the answer names: what was made, or the first of a list."""
    found = _named(route)
    known = {**{name: f"$request.path.{name}" for name in route.parameters}, **found}
    return {
        each.operation: {"operationId": each.operation, "parameters": {name: known[name] for name in each.parameters}}
        for each in routes
        if found and set(found) & set(each.parameters) and set(each.parameters) <= set(known)
    }


def _named(route: Route) -> dict[str, str]:
    """Return what of a path the answer names, by the type of its ids, and where in it."""
    if route.response is None:
        return {}
    hints = typing.get_type_hints(route.response)
    if hints.get("next_cursor") is not None and "items" in hints:  # any list
        (item,) = typing.get_args(hints["items"])
        hints, where = typing.get_type_hints(item), "items/0/"
    elif route.status == 201:
        where = ""
    else:
        return {}
    own = next((name for name in ("id", "user") if name in hints), "")
    return {name: f"$response.body#/{where}{own}" for name, (kind, _) in IDS.items() if own and kind is hints[own]}


def _plain(kind: Json) -> Json:
    """Return the schema of a parameter: absent is absent, there is no null in a query."""
    if kind.get("default", "") is None:
        kind = {name: value for name, value in kind.items() if name != "default"}
    if "anyOf" in kind:
        choices = [each for each in kind["anyOf"] if each != {"type": "null"}]
        rest = {name: value for name, value in kind.items() if name != "anyOf"}
        return {**choices[0], **rest} if len(choices) == 1 else {**rest, "anyOf": choices}
    return kind


def _headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _success(route: Route, known: Known) -> Json:
    answer: Json = {"description": route.summary}
    if route.response:
        answer["content"] = {"application/json": {"schema": known[route.response]}}
    elif route.status not in (202, 204):
        kind = "object" if route.produces == "application/json" else "string"
        answer["content"] = {route.produces: {"schema": {"type": kind}}}
    names = ["RateLimit", "RateLimit-Policy"]
    names += ["Location"] * (route.status == 201)
    names += ["ETag"] * (route.is_api and route.is_safe and route.response is not None)
    names += ["Link"] * (route.query is not None and "cursor" in route.query.__struct_fields__)
    names += ["Deprecation"] * (route.deprecated is not None) + ["Sunset"] * (route.sunset is not None)
    answer["headers"] = _headers(*names)
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
        failure["headers"] = _headers("Retry-After")
    return failure


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
