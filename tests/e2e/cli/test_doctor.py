"""``doctor``: what each key really is, and the rest that can stand in the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from shell import Command

from leanplum_sync import emulator
from leanplum_sync.clock import SystemClock
from leanplum_sync.encryption import KEY_VARIABLE, new_key
from leanplum_sync.journal import open_journal
from leanplum_sync.wire.catalogue import ACTIONS

Doctor = Callable[..., tuple[int, dict[str, dict[str, Any]]]]
CLASSES = {"production", "development", "data_export", "content_read_only"}


@pytest.fixture
def served() -> Iterator[str]:
    with emulator.running() as running:
        yield running.url


@pytest.fixture
def doctor(shop: Path, served: str, command: Command) -> Doctor:
    """Return the exit code and the findings, with all keys set but for *changes*; no output holds a key."""

    def run(*arguments: str, **changes: str) -> tuple[int, dict[str, dict[str, Any]]]:
        keys = {f"LEANPLUM_{name.upper()}_KEY": key for name, key in emulator.KEYS.items()}
        keys[KEY_VARIABLE] = new_key()
        variables = {"LEANPLUM_API_URL": served, "LEANPLUM_APP_ID": emulator.APP_ID, **keys}
        done = command("doctor", "-e", "production", "-o", "json", *arguments, variables=variables | changes)
        for key in {*keys.values(), *changes.values()} - {"", "app_other", "http://127.0.0.1:1"}:
            assert key not in done.stdout + done.stderr
        return done.returncode, {finding["about"]: finding for finding in json.loads(done.stdout)["findings"]}

    return run


def test_all_is_well_on_the_emulator_inside(shop: Path, command: Command) -> None:
    done = command("doctor", variables={KEY_VARIABLE: new_key()})
    assert done.returncode == 0
    assert {line.split()[0] for line in done.stdout.splitlines()[2:] if not line.startswith(" ")} == {"ok"}


def test_each_key_is_recognised_and_its_actions_named(doctor: Doctor) -> None:
    code, found = doctor()
    assert code == 0
    assert {finding["level"] for finding in found.values()} == {"ok"}
    assert "sendMessage" in found["production key"]["actions"]
    assert {name for finding in found.values() for name in finding["actions"]} == ACTIONS.keys()


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        (
            {},
            "4 rows for attribute tier, sorted by user: quotes in 1 row, backslashes in 0, 0 empty values, 0 users in several rows. 2 of 4 rows",
        ),
        ({"export_users_quoting": "all"}, "quotes in all rows"),
        ({"export_users_quoting": "backslash"}, "backslashes in 1"),
        ({"export_users_order": "shuffled"}, "not sorted"),
        ({"export_users_rows": "every_user"}, "1 empty value"),
        (
            {"export_users_duplicates": "contradicting"},
            "2 users in several rows, 2 of them with different values",
        ),
        ({"export_users_truncated": "in_a_row"}, "the file was cut off"),
    ],
)
def test_an_export_is_described_if_one_is_asked_for(
    switches: dict[str, Any], words: str, doctor: Doctor, tmp_path: Path
) -> None:
    seed = tmp_path / "exported.ndjson"
    values = {
        "a": {"tier": "gold"},
        "b": {"tier": "silver"},
        "c": {"tier": 25},
        "d": {"tier": 'x,"y"'},
        "e": {},
    }
    lines = (json.dumps({"userId": user, "userAttributes": has}) + "\n" for user, has in values.items())
    seed.write_text("".join(lines))
    with emulator.running(seeds=[seed], switches=emulator.Switches(**switches)) as running:
        code, found = doctor("--export", "tier", LEANPLUM_API_URL=running.url)
    assert words in found["export"]["sentence"]
    assert "gold" not in str(found)
    assert code == (75 if "export_users_truncated" in switches else 0)


@pytest.mark.doubt(
    export_users_a_day=40,
    export_users_quoting="minimal",
    export_users_duplicates="none",
    export_users_truncated="no",
)
def test_the_advice_on_an_export_is_about_what_it_shows(doctor: Doctor, tmp_path: Path) -> None:
    seed = tmp_path / "exported.ndjson"
    values = {
        "a": {"tier": "gold", "points": 1},
        "b": {"points": 25, "mixed": 'x,"y"'},
        "c": {"mixed": "NULL"},
    }
    lines = (json.dumps({"userId": user, "userAttributes": has}) + "\n" for user, has in values.items())
    seed.write_text("".join(lines))
    with emulator.running(seeds=[seed]) as running:
        advice = {
            name: doctor("--export", name, LEANPLUM_API_URL=running.url)[1]["export"].get("advice")
            for name in ("tier", "mixed", "teir")
        }
    about_values = "Plans with --observed export read users whose value is not certain."
    assert advice == {
        "tier": "",
        "mixed": about_values,
        "teir": "Check the spelling: perhaps no user has this attribute.",
    }


@pytest.mark.parametrize(("seconds", "level"), [(600, "note"), (200_000, "bad")])
def test_a_clock_that_differs_from_the_hosts_is_told(
    doctor: Doctor, served: str, seconds: int, level: str
) -> None:
    requests.post(f"{served}/_emulator/faults", data=f"skew:seconds={seconds}", timeout=300)
    _, found = doctor()
    assert found["clock"]["level"] == level
    assert "behind" in found["clock"]["sentence"]


@pytest.mark.parametrize("variable", sorted(CLASSES))
@pytest.mark.parametrize("held", sorted(CLASSES))
def test_a_key_in_the_wrong_variable_is_told_by_what_it_opens(
    variable: str, held: str, doctor: Doctor
) -> None:
    code, found = doctor(**{f"LEANPLUM_{variable.upper()}_KEY": emulator.KEYS[held]})
    about = f"{variable.replace('_', ' ')} key".replace("content read only", "content read-only")
    assert (code, found[about]["level"]) == ((0, "ok") if variable == held else (9, "bad"))
    if variable != held:
        words = held.replace("_", " ").replace("read only", "read-only")
        assert f"holds the {words} key" in found[about]["sentence"]


def test_a_key_that_opens_nothing_is_wrong(doctor: Doctor) -> None:
    code, found = doctor(LEANPLUM_DATA_EXPORT_KEY="exp_hunter2")
    assert (code, found["data export key"]["level"]) == (9, "bad")
    assert "is not a key for this app" in found["data export key"]["sentence"]


@pytest.mark.parametrize(
    ("variable", "purpose", "code"),
    [
        ("PRODUCTION", "apply", 9),
        ("PRODUCTION", "plan", 0),
        ("DATA_EXPORT", "plan", 9),
        ("CONTENT_READ_ONLY", "plan", 9),
        ("DEVELOPMENT", "apply", 0),
    ],
)
def test_a_missing_key_matters_where_it_is_needed(
    variable: str, purpose: str, code: int, doctor: Doctor
) -> None:
    assert doctor("--for", purpose, **{f"LEANPLUM_{variable}_KEY": ""})[0] == code


def test_two_keys_that_read_are_enough_to_begin_and_what_else_is_not_set_is_told(doctor: Doctor) -> None:
    code, found = doctor(LEANPLUM_PRODUCTION_KEY="", LEANPLUM_DEVELOPMENT_KEY="")
    assert (code, found["production key"]["level"]) == (0, "note")
    assert found["production key"]["sentence"] == (
        "LEANPLUM_PRODUCTION_KEY is not set: `apply` can't write without it."
    )
    assert doctor(LEANPLUM_PRODUCTION_KEY="prod_hunter2", LEANPLUM_DEVELOPMENT_KEY="")[0] == 9
    assert doctor(LEANPLUM_PRODUCTION_KEY="", LEANPLUM_DATA_EXPORT_KEY="")[0] == 9


@pytest.mark.parametrize(("key", "code", "level"), [("", 0, "note"), ("a passphrase", 9, "bad")])
def test_the_key_for_plans_may_be_missing_but_not_be_another_thing(
    key: str, code: int, level: str, doctor: Doctor
) -> None:
    ended, found = doctor(**{KEY_VARIABLE: key})
    assert (ended, found["encryption"]["level"]) == (code, level)


def test_an_unknown_app_is_not_blamed_on_the_keys(doctor: Doctor) -> None:
    code, found = doctor(LEANPLUM_APP_ID="app_other")
    assert (code, found["app"]["level"]) == (9, "bad")
    assert {found[about]["level"] for about in found if about.endswith("key")} == {"note"}


def test_without_an_app_id_the_rest_is_told_all_the_same(doctor: Doctor) -> None:
    code, found = doctor(LEANPLUM_APP_ID="")
    assert (code, found["app"]["level"]) == (9, "bad")
    assert found["journal"]["level"] == "ok"


def test_a_host_that_does_not_answer_is_asked_once(doctor: Doctor) -> None:
    code, found = doctor(LEANPLUM_API_URL="http://127.0.0.1:1")
    assert (code, found["host"]["level"]) == (75, "bad")


def test_asking_costs_and_changes_nothing(doctor: Doctor, served: str) -> None:
    import requests  # noqa: PLC0415 - only here

    doctor()
    counts = requests.get(f"{served}/_emulator/counts", timeout=300).json()
    assert counts["requests"]["total"] == 11
    assert (counts["billableLookups"]["total"], counts["writes"]) == (0, 0)


def test_a_journal_that_somebody_writes_or_nobody_can_read_is_found(shop: Path, doctor: Doctor) -> None:
    location = shop / ".leanplum-sync" / "journal.db"
    location.parent.mkdir(exist_ok=True)
    with (
        open_journal(location, clock=SystemClock()) as journal,
        journal.acquire(emulator.APP_ID, "production"),
    ):
        code, found = doctor()
        assert (code, found["journal"]["level"]) == (8, "bad")
    assert doctor()[0] == 0
    for file in location.parent.iterdir():
        file.unlink()
    location.write_text("this is no database, whatever its name says" * 20)
    code, found = doctor()
    assert (code, found["journal"]["level"]) == (7, "bad")
