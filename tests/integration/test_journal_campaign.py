"""A slice of the campaign that loses journals; `make campaign` runs more of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from journal_campaign import BACKENDS, MISHAPS, History
from postgresql import Server

from leanplum_sync.applier import run
from leanplum_sync.library import applying

# Each mishap once, on each backend.
SEEDS = sorted(
    2 * number + index for index, backend in enumerate(BACKENDS) for number in range(len(MISHAPS[backend]))
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_lost_journal_is_refused_and_nothing_is_repeated_unless_a_person_says_so(
    seed: int, postgresql: Server, tmp_path: Path
) -> None:
    verdict = History(seed, postgresql, tmp_path).go()
    assert not verdict.problems, verdict
    assert verdict.refusals == 1


@pytest.mark.slow
def test_without_the_check_the_judge_finds_what_happened_twice(
    postgresql: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (applying, run):
        monkeypatch.setattr(module, "check_journal", lambda *_, **__: None)
    number = MISHAPS["sqlite"].index("lost with its mark")
    for seed in range(2 * number, 200, 2 * len(MISHAPS["sqlite"])):
        folder = tmp_path / str(seed)
        folder.mkdir()
        if History(seed, postgresql, folder).go().duplicates:
            return
    raise AssertionError("the judge found nothing")
