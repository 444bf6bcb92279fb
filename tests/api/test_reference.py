from html.parser import HTMLParser

from api import reference
from api.openapi import document
from api.problems import TABLE
from api.routes import ROUTES

PAGE = reference.page(document(ROUTES, version="1.2.3", public_url="https://visits.example.org"))


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def all(self, attribute: str) -> list[str]:
        return [found for _, attributes in self.tags if (found := attributes.get(attribute))]


def read() -> Reader:
    reader = Reader()
    reader.feed(PAGE)
    return reader


def test_every_operation_schema_and_problem_has_its_place() -> None:
    ids = read().all("id")
    assert len(ids) == len(set(ids))
    assert {route.operation for route in ROUTES if route.tag != "pages"} <= set(ids)
    assert {kind.code for kind in TABLE} <= set(ids)


def test_every_link_leads_somewhere() -> None:
    reader = read()
    inside = {link[1:] for link in reader.all("href") if link.startswith("#")}
    assert inside <= set(reader.all("id"))
    outside = {link for link in reader.all("href") if not link.startswith("#")}
    assert outside == {"/openapi.json", "/asyncapi.json", "/docs/style.css", "/favicon.ico"}


def test_nothing_in_it_needs_an_unsafe_policy() -> None:
    reader = read()
    assert not {"script", "style"} & {tag for tag, _ in reader.tags}
    assert not reader.all("style")
    assert not [name for _, attributes in reader.tags for name in attributes if name.startswith("on")]


def test_text_is_text() -> None:
    made = document(ROUTES, version="<script>", public_url="https://visits.example.org")
    assert "<script>" not in reference.page(made)
