from __future__ import annotations

from leanplum_sync.planner.decide import Reason
from leanplum_sync.planner.notes import NOTED, sentence


def test_every_reason_that_leaves_a_wish_unmet_has_words_for_one_and_for_several() -> None:
    met = {Reason.DIFFERS, Reason.SAME, Reason.HAS_ONE, Reason.NO_SOURCE, Reason.FINGERPRINT, Reason.ABSENT}
    assert set(Reason) - met == NOTED
    assert sentence(Reason.NOT_CONVERTIBLE, "age", 1) == "has a value in age that can't be converted"
    assert sentence(Reason.NOT_CONVERTIBLE, "age", 2) == "have values in age that can't be converted"
