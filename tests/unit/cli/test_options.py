"""Options that are values of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from leanplum_sync.applier.preflight import Consent, check_consent
from leanplum_sync.cli.options.applying import CONSENT
from leanplum_sync.cli.options.basic import DURATION
from leanplum_sync.cli.options.ids import subject_of
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import Output, OutputType, deliver
from leanplum_sync.cli.output.sentences import sentence_of
from leanplum_sync.errors import HazardNotAllowedError
from leanplum_sync.planner.plan import Hazard
from leanplum_sync.progress import SilentProgress, Task

SENDS = Hazard("sends", 12431, 0)
REMOVALS = Hazard("removals", 5, 10)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("1h30m", 5400)]
)
def test_durations_are_typed_as_people_say_them(text: str, seconds: int) -> None:
    assert DURATION(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2x", "1h x", "-1h", "1.5h"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match="such as 90s, 30m"):
        DURATION(text)


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("text", Output("text", None)),
        ("json", Output("json", None)),
        ("json=a=b.json", Output("json", Path("a=b.json"))),
    ],
)
def test_an_output_is_a_format_and_perhaps_a_file(text: str, output: Output) -> None:
    assert OutputType(("text", "json"))(text) == output


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(click.BadParameter, match=r"'pdf' is not a format\. Choose from text and json"):
        OutputType(("text", "json"))("pdf=plan.pdf")


def test_documents_are_told_of_while_they_are_made_and_written_after_that(tmp_path: Path) -> None:
    told: list[str] = []

    class Told(SilentProgress):
        @contextmanager
        def track(self, what: str, total: int | None, unit: str) -> Iterator[Task]:
            told.append(f"{what}: {total} of {unit}")
            with super().track(what, total, unit) as task:
                yield task
            told.append(str(len(list(tmp_path.iterdir()))))

    outputs = [Output(name, tmp_path / name) for name in ("text", "json")]
    deliver(Console(), outputs, Told(), text=lambda _: "a", json=lambda: "b")
    assert told == ["Rendering: 2 of document", "0"]
    assert [output.path.read_text() for output in outputs if output.path] == ["a", "b"]


@pytest.mark.parametrize("text", ["sends", "sends=", "=3", "sends=many", "sends=-1"])
def test_consent_is_a_name_and_a_number(text: str) -> None:
    with pytest.raises(click.BadParameter, match="HAZARD=COUNT"):
        CONSENT(text)


def test_a_plan_within_its_budget_needs_no_consent() -> None:
    check_consent([REMOVALS], [])


def test_what_is_over_budget_needs_consent_and_the_error_says_which() -> None:
    with pytest.raises(HazardNotAllowedError) as caught:
        check_consent([SENDS, REMOVALS], [])
    assert caught.value.over == {"sends": 12431}
    assert re.search(r"12,431 sends \(budget 0\).*--ack sends=12431", sentence_of(caught.value))


def test_consent_to_exactly_the_plans_number_is_enough() -> None:
    check_consent([SENDS, REMOVALS], [Consent("sends", 12431)])


@pytest.mark.parametrize("ack", [Consent("sends", 12430), Consent("removals", 4), Consent("createdUsers", 1)])
def test_any_other_number_is_refused_and_the_plans_is_named(ack: Consent) -> None:
    with pytest.raises(HazardNotAllowedError) as caught:
        check_consent([SENDS, REMOVALS], [Consent("sends", 12431), ack])
    assert caught.value.wrong == ((ack.hazard, ack.count),)
    assert re.search(r"does not match this plan, whose number is (12431|5|0)\.", sentence_of(caught.value))


def test_every_violation_is_told_at_once_with_options_that_suffice() -> None:
    hazards = [SENDS, REMOVALS, Hazard("createdUsers", 7, 0), Hazard("renames", 3, 2)]
    with pytest.raises(HazardNotAllowedError) as caught:
        check_consent(hazards, [Consent("renames", 4)])
    sentence = sentence_of(caught.value)
    assert "--ack renames=4 does not match this plan, whose number is 3." in sentence
    assert "Over budget: 12,431 sends (budget 0) and 7 created users (budget 0)." in sentence
    options = sentence.partition(", add ")[2].replace("--ack ", "").split()
    assert options == ["sends=12431", "createdUsers=7", "renames=3"]
    check_consent(hazards, [CONSENT(option) for option in options])


def test_a_hazard_by_another_name_is_told_the_names_there_are() -> None:
    names = "erased, erasedBefore, sends, repeatedSends,"
    with pytest.raises(click.BadParameter, match=f"unknown hazard send; the hazards are {names}"):
        CONSENT("send=12431")


def test_a_wrong_number_is_refused_also_beside_the_right_one() -> None:
    with pytest.raises(HazardNotAllowedError, match="12431 planned, consent is for 1"):
        check_consent([SENDS], [Consent("sends", 1), Consent("sends", 12431)])


def test_ids_are_text_and_devices_are_named_as_such() -> None:
    found = [str(subject_of(text)) for text in ("00004", "device:D:1", "user:x")]
    assert found == ["user:00004", "device:D:1", "user:user:x"]
