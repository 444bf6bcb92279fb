"""Whatever can stand in the list of who saw a record has words in each language."""

import re
from pathlib import Path

import pytest

from medinova_rt.rights import Action

TEXTS = sorted((Path(__file__).parents[2] / "web" / "texts").glob("*.js"))
OF_PATIENTS = ("patient.", "relation.", "erasure.", "emergency.take", "emergency.end")
OF_INVITATIONS = (Action.INVITATION_ADD, Action.INVITATION_WITHDRAW, Action.INVITATION_ACCEPT)  # to act for a patient
SHOWN = {*OF_INVITATIONS, *(each for each in Action if each.startswith(OF_PATIENTS))}


@pytest.mark.parametrize("texts", TEXTS, ids=lambda path: path.stem)
def test_every_action_on_a_patient_has_words(texts: Path) -> None:
    actions = re.search(r"actions: (?:/\*.*?\*/ \()?{(.*?)\n  }", texts.read_text(), re.DOTALL)
    assert actions
    assert {str(each) for each in SHOWN} - set(re.findall(r"'([\w.-]+)':", actions[1])) == set()
