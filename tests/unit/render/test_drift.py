"""Drift shows who changed what, from which value to which, and nothing that is sensitive."""

from __future__ import annotations

import json
from collections.abc import Sequence

from document_schemas import check_document
from sample_renderings import REAL

from leanplum_sync.operations.drift import WHOLE_USER, Drift, InForce, Moved, Origin
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.plan import ValuePair
from leanplum_sync.render.drift import drift_json, drift_markdown, drift_text
from leanplum_sync.render.page import Page
from leanplum_sync.render.values import Mask
from leanplum_sync.wire.action import Json

MASK = Mask(frozenset({"email"}), b"key")
SPEC = "UserAttributes/loyalty"


def moved(kind: ChangeKind, field: str, before: Json, after: Json, others: int = 0) -> Moved:
    pairs = (ValuePair(before, after, 3),)
    return Moved(Origin.OTHERS, SPEC, kind, field, 3 + others, ("user:u1",), pairs, others)


def drift_of(*found: Moved) -> Drift:
    return Drift(9, 5, 0, 0, 9, (1.8e9, 1.8e9), (InForce(SPEC, None, changed=False),), found)


def rendered(*found: Moved) -> Sequence[str]:
    drift = drift_of(*found)
    return [
        drift_text(drift, REAL, MASK, Page()),
        drift_json(drift, REAL, MASK),
        drift_markdown(drift, REAL, MASK, 60_000),
    ]


def test_live_and_desired_values_stand_side_by_side_below_their_spec() -> None:
    gone = Moved(Origin.OTHERS, SPEC, None, WHOLE_USER, 1, ("user:u9",))
    text = rendered(moved(ChangeKind.SET, "tier", "silver", "gold", 2), gone)[0].splitlines()
    start = text.index("Changed by others since the last apply")
    assert [line.split() for line in text[start + 1 : start + 5]] == [
        ["field", "users", "live", "desired", "examples"],
        [SPEC],
        ["tier", "5", "silver", "gold", "(others:", "2)", "u1"],
        ["user", "no", "longer", "exists", "1", "u9"],
    ]


def test_the_document_and_the_comment_have_the_values_too() -> None:
    _, document, comment = rendered(moved(ChangeKind.SET, "tier", "silver", "gold"))
    (group,) = check_document(document)["moved"]
    assert group["values"] == [{"before": "silver", "after": "gold", "users": 3}]
    assert "| `tier` | `silver` | `gold` | **3** |" in comment


def test_sensitive_values_are_masked_also_where_a_rename_moves_them() -> None:
    secret = "ada@example.com"
    for text in rendered(
        moved(ChangeKind.SET, "email", secret, None),
        moved(ChangeKind.RENAME, "contact", None, secret),
        moved(ChangeKind.RENAMED_AWAY, "email", secret, None),
    ):
        assert secret not in text
    values = json.loads(rendered(moved(ChangeKind.SET, "email", secret, None))[1])["moved"][0]["values"]
    assert list(values[0]["before"]) == ["sensitive"]
