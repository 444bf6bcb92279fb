"""Draw into docs/ what tables in the code say: `python -m tools.draw`. A test fails while the two differ.

A drawing stands between `<!-- drawn: NAME -->` and `<!-- end -->`, and everything between them is replaced.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from medinova_rt import rights, visits
from signaling import session

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)

DOCS = Path(__file__).parent.parent / "docs"
_PLACE = re.compile(r"(<!-- drawn: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def transitions(start: S, table: Mapping[tuple[S, E], S]) -> str:
    """Return a table (state, event) → state as a Mermaid diagram; states that nothing leaves are ends."""
    arrows = [f"{state} --> {after}: {event}" for (state, event), after in table.items()]
    ends = sorted(set(table.values()) - {state for state, _ in table})
    lines = [f"[*] --> {start}", *arrows, *(f"{end} --> [*]" for end in ends)]
    return "```mermaid\nstateDiagram-v2\n" + "".join(f"    {line}\n" for line in lines) + "```\n"


SYSTEMS, KEY = "the clinic's own systems", "the server's own key"
GRANTED = {
    SYSTEMS: rights.SERVICE,
    "the server itself": rights.SYSTEM,
    "everybody in the visit": rights.IN_VISIT,
    "a clinician of the same visit": rights.LEADING,
    "whoever holds the seat": rights.HOLDER,
    "the user themselves": rights.USER,
    "the user themselves, before their second factor": rights.HALF,
    "an operator of the platform": rights.OPERATOR,
    "the platform's operators": rights.OPERATOR_OF_ANY,
    "the clinic's staff": rights.STAFF,
    "a clinician who treats the patient, or has emergency access": rights.TREATING,
    "the clinic's clinicians": rights.CLINICIAN,
    "the clinic's front desk": rights.DESK,
    "the clinic's billing": rights.BILLING,
    "the clinic's administrators": rights.ADMIN,
    "the patient": rights.PATIENT,
    "whoever acts for the patient": rights.ACTING,
}


def _said(grants: rights.Grants) -> list[str]:
    """The fewest words that name them: what a wider one covers is not said again."""
    fitting = {words: some for words, some in GRANTED.items() if some <= grants}
    return [words for words, some in fitting.items() if not any(some < other for other in fitting.values())]


def permissions() -> str:
    """Return who may do what, a row for each action."""
    rows = ["| Action | Who may |", "| --- | --- |"]
    for action in rights.Action:
        grants = rights.TABLE[action]
        if grants == rights.ANYONE:
            said = ["anyone"]
        else:
            said = _said(grants)
            assert grants == frozenset().union(*(GRANTED[words] for words in said)), f"{action} is granted in pieces"
        if action in rights.KEY_ONLY:
            said = [KEY if words == SYSTEMS else words for words in said]
        rows.append(f"| `{action}` | {'; '.join(said)} |")
    return "\n".join(rows) + "\n"


DRAWINGS: dict[str, Callable[[], str]] = {
    "visit": lambda: transitions(visits.State.WAITING, visits.TRANSITIONS),
    "session": lambda: transitions(session.Phase.GREETING, session.TRANSITIONS),
    "permissions": permissions,
}


def drawn(text: str) -> str:
    """Return a page with its drawings made anew; raises KeyError for a name that is none."""
    return _PLACE.sub(lambda place: place[1] + DRAWINGS[place[2]]() + place[3], text)


def main() -> None:
    for page in sorted(DOCS.glob("*.md")):
        page.write_text(drawn(page.read_text()))


if __name__ == "__main__":
    main()
