import hashlib
import json
from datetime import UTC, datetime

import msgspec
import pytest

from medinova_rt import documents, strands
from medinova_rt.ids import ClinicId, StrandId

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


def test_a_digest_can_be_made_with_nothing_but_json_and_sha_256() -> None:
    document = {"b": "Zoë 🩺", "a": {"z": 1, "y": None}, "at": "2026-11-24T10:00:00.000000Z", "digest": "none of it"}
    linked = strands.link(document, StrandId("str-1"), 7, "ab" * 32)
    rest = {name: value for name, value in linked.items() if name != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert linked["digest"] == strands.digest(linked) == hashlib.sha256(text.encode()).hexdigest()
    assert (linked["strand"], linked["seq"], linked["previous"]) == ("str-1", 7, "ab" * 32)


@pytest.mark.parametrize(
    "altered",
    [
        {"clinic": "cli-2"},
        {"node": "other"},
        {"opened": 2},
        {"started_at": "2026-11-24T10:00:00.000001Z"},
        {"id": "str-06ev2x3k8m0000000000000000"},
    ],
)
def test_where_a_strand_comes_from_cannot_be_altered(altered: dict[str, object]) -> None:
    made = strands.new_strand(ClinicId("cli-1"), "node", NOW, 1)
    assert made.is_itself
    assert not msgspec.convert({**documents.encode(made), **altered}, strands.Strand).is_itself
