"""The first cases of each fuzzer; ``make fuzz`` runs many more."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import Ended, breach
from fuzzers import FUZZERS
from fuzzing import Fuzzer, search


@pytest.mark.parametrize("fuzzer_type", FUZZERS, ids=lambda each: each.name)
def test_no_input_breaks_the_law_of_commands(fuzzer_type: type[Fuzzer], tmp_path: Path) -> None:
    for _, found in search(fuzzer_type(tmp_path), iter(range(FUZZERS[fuzzer_type]))):
        assert found is None, str(found)


@pytest.mark.parametrize(
    ("ended", "wrong"),
    [
        (Ended(("plan",), 0, "", "", {}), ""),
        (Ended(("plan",), 3, "", "Error: no.", {}), ""),
        (Ended(("plan",), 1, "", "Error: no.", {}), "exit code 1"),
        (Ended(("plan",), 11, "", "Error: no.", {}), "exit code 11"),
        (Ended(("plan",), 3, "", "", {}), "exit code 3 without a word"),
        (Ended(("plan",), 3, "Traceback (most recent call last)", "", {}), "a traceback"),
        (Ended(("plan",), 3, "", "This is a bug in leanplum-sync.", {}), "a bug in leanplum-sync"),
        (
            Ended(("plan",), 0, "", "", {"a.json": '{"key": "kanari"}'}),
            "the secret 'kanari' is in the output",
        ),
    ],
)
def test_the_law_can_be_broken(ended: Ended, wrong: str) -> None:
    assert breach(ended, ["kanari"]) == wrong
