"""What one receiver is shown in which line."""

from media.lines import accept_slots
from media.sdp import parse
from media.view import View
from tests.media.offers import offer


def arrange(
    view: View[str], people: str, spoke: dict[str, float] | None = None, shared: dict[str, float] | None = None
) -> str:
    slots = list(accept_slots(parse(offer(sends="", slots="aavvv")), {}, "x").values())
    shown = view.arrange(slots, people, spoke or {}, shared or {})
    return " ".join(f"{one.source[0]}{one.who or '-'}" for one in shown)


def test_view() -> None:
    view: View[str] = View()
    assert arrange(view, "") == "m- m- c- c- s-"
    assert arrange(view, "a") == "ma m- ca c- s-"
    assert arrange(view, "ab") == "ma mb ca cb s-"
    assert arrange(view, "b") == "m- mb c- cb s-"
    assert arrange(view, "bcd") == "mc mb cc cb s-"
    assert arrange(view, "bcd", {"d": 1.0}) == "md mb cd cb s-"


def test_the_latest_share_is_shown_and_the_one_before_comes_back() -> None:
    view: View[str] = View()
    assert arrange(view, "ab", shared={"a": 1.0}) == "ma mb ca cb sa"
    assert arrange(view, "ab", shared={"a": 1.0, "b": 2.0}) == "ma mb ca cb sb"
    assert arrange(view, "ab", shared={"a": 1.0}) == "ma mb ca cb sa"
    assert arrange(view, "ab") == "ma mb ca cb s-"


def test_slots_come_and_go() -> None:
    view: View[str] = View()
    few = list(accept_slots(parse(offer(sends="", slots="av")), {}, "x").values())
    many = list(accept_slots(parse(offer(sends="", slots="avav")), {}, "x").values())
    for slots, shown in [(few, "aa"), (many, "aabb"), (few, "aa")]:
        assert "".join(one.who or "-" for one in view.arrange(slots, "ab", {}, {})) == shown
