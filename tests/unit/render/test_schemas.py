"""Every document that has a format also has a schema that it keeps to."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from document_schemas import check, check_document
from jsonschema import ValidationError
from sample_renderings import ALL_DONE, HELD, LOCK, NO_PROOF, NOTHING, REAL, RUN, SOME_DONE, SomePlan, cohort

import leanplum_sync
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.differences import differences
from leanplum_sync.planner.plan import Hazard, Note
from leanplum_sync.problem import Place, Problem
from leanplum_sync.render.plan import plan_json
from leanplum_sync.render.plan_diff import PlanDiff, plan_diff_json
from leanplum_sync.render.problems import Checked, checked_json
from leanplum_sync.render.receipt import receipt_document
from leanplum_sync.render.schemas import NAMES
from leanplum_sync.render.status import Status, status_json

FULL = SomePlan(
    hazards_=(Hazard("sends", 3, 0),),
    notes_=(Note("missing", "a/b", "do not exist", 2, ("user:u1",)),),
    cohorts_=tuple(cohort(kind, "email", "a", [1]) for kind in ChangeKind),
)


@pytest.mark.parametrize(
    "text",
    [
        plan_json(FULL),
        plan_json(SomePlan()),
        plan_diff_json(PlanDiff(FULL, SomePlan(), differences((), ()))),
        checked_json(Checked([Problem(Place("a", 1), "no", also=Place("b", row=2))], 1, 0, 0, 0)),
        receipt_document(SOME_DONE, REAL, NO_PROOF, ["a.csv"]),
        receipt_document(ALL_DONE, REAL, None),
        status_json(Status("journal.db", 1.8e9, (LOCK,), (RUN,), (HELD,))),
        status_json(NOTHING),
    ],
    ids=lambda text: json.loads(text)["format"],
)
def test_a_document_keeps_to_its_schema(text: str) -> None:
    check_document(text)


def test_the_lines_of_a_log_have_a_schema() -> None:
    check("event", {"at": 1.0, "run": 1, "event": "run", "state": "running", "found": None})
    with pytest.raises(ValidationError):
        check("event", {"at": 1.0, "run": 1, "event": "walk", "state": "running"})


def test_every_document_that_the_program_makes_has_a_schema() -> None:
    sources = Path(leanplum_sync.__file__).parent.rglob("*.py")
    made = {
        name for source in sources for name in re.findall(r'\bdocument\(\s*"([\w-]+)"', source.read_text())
    }
    assert made == set(NAMES) - {"event"}
