"""mypy names every place that has to say what a new member of a union, an enum or ``Kind`` means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from missing_cases import ADDED, missing_cases

EXPECTED = {
    "MadeUpDesire": {
        "operations/explain.py",
        "planner/conflicts.py",
        "planner/decide.py",
        "planner/subject.py",
        "render/explain.py",
        "staging/sieve.py",
    },
    "MadeUpPart": {"planner/conflicts.py", "staging/sieve.py"},
    "MADE_UP_CHANGE": {"planner/change.py"},
    "MADE_UP_EFFECT": {
        "operations/drift.py",
        "operations/undo.py",
        "planner/attribute_names.py",
        "planner/footprint.py",
        "planner/standing.py",
        "planner/subject.py",
        "render/plan_words.py",
    },
    "MADE_UP_SUBJECT": {"address.py", "planner/standing.py", "wire/user_batch.py"},
    "MADE_UP_FATE": {"journal/entry.py", "journal/rebuilding.py", "render/receipt.py"},
    "MADE_UP_RUN_STATE": {"journal/entry.py", "render/status.py"},
    "MADE_UP_RESOLUTION": {"journal/writer.py", "render/resolve.py"},
    "MADE_UP_STOP": {"applier/receipt.py", "cli/commands/apply.py", "render/receipt.py"},
    "MADE_UP_REASON": {"operations/tally.py", "planner/notes.py"},
    "MADE_UP_STANDING": {"applier/live_state.py", "planner/standing.py"},
    "MADE_UP_ORIGIN": {"operations/drift.py", "render/drift.py"},
    "MADE_UP_KEY": {"cli/commands/doctor.py", "client/credentials.py", "wire/catalogue.py"},
    "made_up_member": {"kinds/message_send.py", "kinds/push_tokens.py", "kinds/user_attributes.py"},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[str]]:
    return missing_cases(tmp_path_factory.mktemp("copy"))


@pytest.mark.slow
@pytest.mark.parametrize("added", ADDED)
def test_mypy_names_every_place_that_needs_a_case(added: str, found: Mapping[str, Sequence[str]]) -> None:
    files = {place.partition(":")[0] for place in found[added]}
    assert files >= EXPECTED[added]
