"""The readable page of the API: plain HTML out of the OpenAPI document, with nothing fetched from elsewhere."""

from collections.abc import Iterator
from html import escape
from typing import Any

from api.problems import TABLE

Json = dict[str, Any]

STYLE = """\
:root {
  color-scheme: light dark;
  --text: #1c2430; --soft: #4a5668; --line: #c9d1dc; --page: #fff; --code: #f1f4f8; --link: #0b57b0;
}
@media (prefers-color-scheme: dark) {
  :root { --text: #e8edf4; --soft: #b3bfce; --line: #3c4756; --page: #131920; --code: #1e2731; --link: #8ab8f5; }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem; max-width: 60rem; font: 1rem/1.55 system-ui, sans-serif;
  color: var(--text); background: var(--page);
}
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
code {
  font: 0.92em ui-monospace, monospace; background: var(--code);
  padding: 0.1em 0.3em; border-radius: 0.25em; overflow-wrap: anywhere;
}
section { border-top: 1px solid var(--line); margin-top: 2rem; }
.soft { color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td {
  text-align: left; vertical-align: top; padding: 0.35rem 0.75rem 0.35rem 0; border-bottom: 1px solid var(--line);
}
"""


def page(document: Json) -> str:
    info = document["info"]
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    example = (
        f'curl {document["servers"][0]["url"]}/v1/visits -H "Authorization: Bearer $KEY" '
        "-H 'Content-Type: application/json' \\\n"
        "  -H 'Idempotency-Key: my-first-visit' \\\n"
        '  -d \'{"seats": [{"role": "clinician", "name": "Dr. Ada"}, {"role": "patient", "name": "Ben"}]}\''
    )
    body = [
        f"<header><h1>{escape(info['title'])} <span class=soft>{escape(info['version'])}</span></h1>",
        f"<p>{escape(info['summary'])}. Programs read <a href='/openapi.json'>/openapi.json</a>; the WebSocket of a "
        "visit is described at <a href='/asyncapi.json'>/asyncapi.json</a>.</p>",
        "<p>Make a visit with the service key (the server keeps it in <code>service.key</code> of its data folder) and "
        "send each person the link of their seat:</p>",
        f"<pre class=wide tabindex=0 role=region aria-label=Example><code>{escape(example)}</code></pre></header>",
        "<nav aria-label=Operations><ul>",
        *(f"<li><a href='#{o['operationId']}'>{escape(o['summary'])}</a></li>" for _, _, o in operations),
        "<li><a href='#schemas'>Schemas</a></li><li><a href='#problems'>Problems</a></li></ul></nav><main>",
        *(_operation(path, method, operation) for path, method, operation in operations),
        "<section id=schemas><h2>Schemas</h2>",
        *(_schema(name, schema) for name, schema in document["components"]["schemas"].items()),
        "</section>",
        _problems(),
        _deprecated(operations),
        "</main>",
    ]
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(info['title'])} API</title><link rel=stylesheet href='/docs/style.css'>"
        f"<link rel=icon href='/favicon.ico'></head><body>{''.join(body)}</body></html>"
    )


def _operation(path: str, method: str, operation: Json) -> str:
    who = [scheme for need in operation["security"] for scheme in need]
    parts = [
        f"<section id={operation['operationId']}><h2>{escape(operation['summary'])}</h2>",
        f"<p><code>{method.upper()} {escape(path)}</code></p>",
        f"<p>{escape(operation['description'])}</p>",
        f"<p>Credential: {' or '.join(f'<code>{name}</code>' for name in who) or 'none'}.</p>",
    ]
    if "requestBody" in operation:
        parts.append(f"<p>Body: {_content(operation['requestBody'])}</p>")
    rows = (
        f"<tr><td>{status}</td><td>{_prose(answer['description'])}</td><td>{_content(answer)}</td></tr>"
        for status, answer in sorted(operation["responses"].items())
    )
    return "".join([*parts, _table(("Status", "Meaning", "Content"), rows), "</section>"])


def _schema(name: str, schema: Json) -> str:
    about = f"<p>{_prose(schema['description'])}</p>" if "description" in schema else ""
    heading = f"<h3 id=schema-{name}>{name}</h3>{about}"
    if "properties" not in schema:
        return f"{heading}<p>{_type(schema)}</p>"
    required = schema.get("required", [])
    rows = (
        f"<tr><td><code>{escape(member)}</code></td><td>{_type(kind)}{'' if member in required else ', optional'}</td>"
        f"<td>{_prose(kind.get('description', ''))}</td></tr>"
        for member, kind in schema["properties"].items()
    )
    return heading + _table(("Member", "Type", "Meaning"), rows)


def _problems() -> str:
    rows = (
        f"<tr id={kind.code}><td><code>{kind.code}</code></td><td>{row.status}</td><td>{escape(row.title)}</td></tr>"
        for kind, row in TABLE.items()
    )
    return (
        "<section id=problems><h2>Problems</h2><p>Every failure is <code>application/problem+json</code> (RFC 9457); "
        f"programs read its <code>code</code>.</p>{_table(('Code', 'Status', 'Title'), rows)}</section>"
    )


def _deprecated(operations: list[tuple[str, str, Json]]) -> str:
    found = [
        f"<li><a href='#{each['operationId']}'>{escape(each['summary'])}</a></li>"
        for _, _, each in operations
        if each.get("deprecated")
    ]
    said = f"<ul>{''.join(found)}</ul>" if found else "<p>Nothing is.</p>"
    return f"<section id=deprecated><h2>Deprecated</h2>{said}</section>"


def _table(heads: tuple[str, ...], rows: Iterator[str]) -> str:
    head = "".join(f"<th scope=col>{text}</th>" for text in heads)
    # focusable, since it scrolls sideways on a narrow screen
    return (
        f"<div class=wide tabindex=0 role=group aria-label='{', '.join(heads)}'><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _content(holder: Json) -> str:
    return ", ".join(
        _type(media["schema"]) if "$ref" in media["schema"] else f"<code>{escape(kind)}</code>"
        for kind, media in holder.get("content", {}).items()
    )


def _type(schema: Json) -> str:
    match schema:
        case {"$ref": ref}:
            name = ref.rpartition("/")[2]
            return f"<a href='#schema-{name}'>{name}</a>"
        case {"enum": values}:
            return " or ".join(f"<code>{escape(str(value))}</code>" for value in values)
        case {"anyOf": kinds}:
            return " or ".join(map(_type, kinds))
        case {"type": "array", "items": items}:
            return f"array of {_type(items)}"
        case _:
            limits = [
                f"{word} {schema[key]}"
                for key, word in (
                    ("minLength", "at least"),
                    ("maxLength", "at most"),
                    ("minimum", "from"),
                    ("maximum", "to"),
                )
                if key in schema
            ]
            return escape(", ".join([str(schema.get("format", schema.get("type", "any"))), *limits]))


def _prose(text: str) -> str:
    """Return HTML of text in which back-quotes mark code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))
