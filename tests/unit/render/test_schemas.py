"""Every document that has a format also has a schema that it keeps to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from document_schemas import check, check_document
from jsonschema import ValidationError
from sample_renderings import ALL_DONE, HELD, LOCK, NO_PROOF, NOTHING, REAL, RUN, SOME_DONE, SomePlan, cohort

from leanplum_sync.journal.entry import Fate
from leanplum_sync.kinds.rows.source import KeptRows
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.differences import differences
from leanplum_sync.planner.plan import Hazard, Note, RowsRead
from leanplum_sync.problem import Place, Problem, Remark
from leanplum_sync.render import documents
from leanplum_sync.render.documents import DOCUMENTS, Document
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
    rows_={
        "a/b": RowsRead("lake", "a/*.csv", KeptRows("d", "s", 3, 1.8e9, "1 file", {}, {"a/1.csv": "ETag 7"}))
    },
)


FULL_PLAN = plan_json(FULL)
RECEIPT = receipt_document(SOME_DONE, REAL, NO_PROOF, ["a.csv"])
STATUS = status_json(Status("journal.db", 1.8e9, (LOCK,), (RUN,), (HELD,)))


@pytest.mark.parametrize(
    "text",
    [
        FULL_PLAN,
        plan_json(SomePlan()),
        plan_diff_json(PlanDiff(FULL, SomePlan(), differences((), ()))),
        checked_json(
            Checked(
                [Problem(Place("a", 1), "no", also=Place("b", row=2))],
                1,
                0,
                0,
                0,
                remarks=[Remark(Problem(Place("a", 2), "odd"), 3)],
            )
        ),
        RECEIPT,
        receipt_document(ALL_DONE, REAL, None),
        STATUS,
        status_json(NOTHING),
    ],
    ids=lambda text: json.loads(text)["format"],
)
def test_a_document_keeps_to_its_schema(text: str) -> None:
    check_document(text)


def test_the_lines_of_a_log_have_a_schema() -> None:
    check("event", {"at": 1.0, "run": 1, "event": "run", "state": "running", "mark": 3, "found": None})
    with pytest.raises(ValidationError):
        check("event", {"at": 1.0, "run": 1, "event": "walk", "state": "running"})


def test_every_kind_of_document_has_a_name_of_its_own_and_a_schema() -> None:
    classes = {
        each for each in vars(documents).values() if isinstance(each, type) and issubclass(each, Document)
    }
    assert classes - {Document} == set(DOCUMENTS)
    assert len(set(NAMES)) == len(DOCUMENTS) + 1


def broken(document: Any) -> Iterator[Any]:
    """Yield copies of *document* with one field removed or replaced, at any depth."""
    match document:
        case dict():
            for key, value in document.items():
                rest = {name: each for name, each in document.items() if name != key}
                if not FREE.intersection(document):
                    yield rest
                    yield {**rest, key: {"no": ["such", "value"]}}
                yield from ({**rest, key: each} for each in broken(value) if key not in VALUES)
        case [first, *others]:
            yield from ([each, *others] for each in broken(first))


VALUES = frozenset({"before", "after"})  # may be any JSON
# Keys of counts and of versions by file: none has to be there.
FREE = frozenset({*map(str, Fate), *map(str, ChangeKind), *VALUES, "a/1.csv"})


@pytest.mark.parametrize("text", [FULL_PLAN, RECEIPT, STATUS], ids=["plan", "receipt", "status"])
def test_a_document_without_one_of_its_fields_or_with_something_else_in_it_does_not_pass(text: str) -> None:
    document = json.loads(text)
    name = document["format"].removeprefix("leanplum-sync/")
    mutants = list(broken(document))
    assert len(mutants) > 40
    for mutant in mutants:
        with pytest.raises(ValidationError):
            check(name, mutant)
