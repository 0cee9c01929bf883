"""Exports: files for each day, whole or not at all, with one job for each, whatever ends the process."""

from __future__ import annotations

import datetime as dt
import json
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

import pytest
from clocks import Clock
from files import write_files
from shell import Serve, Served, Shell
from waiting import wait_for

PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    live: {appId: app_emulator, limits: {requestsPerSecond: 1000}}
"""
SPEC: Final = """\
apiVersion: leanplum-sync/v1
kind: Exports
metadata: {name: sessions}
spec: {data: sessions, from: "FROM", folder: exports/sessions}
"""
REPORT: Final = """\
apiVersion: leanplum-sync/v1
kind: Exports
metadata: {name: activity}
spec: {report: {type: UserActivity}, from: "FROM", folder: exports/activity}
"""
ADDRESS: Final = "Exports/sessions"
TODAY: Final = dt.datetime.now(dt.timezone(dt.timedelta(hours=-8))).date()
WINDOWS: Final = 2


def day(ago: int) -> str:
    return str(TODAY - dt.timedelta(days=ago))


def used_the_app(served: Served, user: str) -> None:
    for action in ("start", "stop"):
        query = f"action={action}&userId={user}&appId=app_emulator&clientKey=prod_emulator&apiVersion=1.0.6"
        with urllib.request.urlopen(f"{served.url}/api?{query}"):
            pass


@pytest.fixture
def served(serve: Serve) -> Served:
    report = {"report": {"dataType": "UserActivity", "data": {"users": 3}}}
    behind = Clock(time.time() - 3 * 86_400)  # sessions of the day three days ago
    served = serve({"userId": "u1"}, report, clock=behind.now)
    used_the_app(served, "u1")
    used_the_app(served, "u2")
    return served


@pytest.fixture
def shell(tmp_path: Path, served: Served) -> Shell:
    spec = SPEC.replace("FROM", day(3))
    write_files(tmp_path / "shop", {"leanplum-sync.yaml": PROJECT, "specs/sessions.yaml": spec})
    return Shell(tmp_path / "shop", served.read_only)


def jobs(served: Served, action: str = "exportData") -> int:
    return int(served.counts()["actions"].get(action, 0))


def planned(shell: Shell) -> Any:
    return shell.json("plan", "--out", "a.lpplan")


def notes(shell: Shell, code: str) -> list[str]:
    return [each["sentence"] for each in planned(shell)["notes"] if each["code"] == code]


def apply(shell: Shell, code: int = 0) -> str:
    done = shell.run("apply", "a.lpplan", "--yes", code=code)
    return " ".join((done.stdout + done.stderr).split())


def manifest(shell: Shell, ago: int) -> Any:
    return json.loads((shell.folder / "exports/sessions" / day(ago) / "manifest.json").read_text())


def test_a_walk_from_the_spec_to_the_files(shell: Shell, served: Served) -> None:
    assert "Valid: 1 spec" in shell.run("validate").stdout
    (sentence,) = notes(shell, "export")
    assert sentence == (
        f"2 windows are missing ({day(3)}, {day(2)}): exporting them takes 2 of 24 exportData jobs a day, and 24 are left."
    )
    assert not planned(shell)["isEmpty"]
    for output in ("text", "json", "markdown", "html"):
        assert "exportData jobs a day" in " ".join(shell.run("show", "a.lpplan", "-o", output).stdout.split())
    shell.run("plan", "--detailed-exitcode", "--out", "a.lpplan", code=2)
    assert jobs(served) == 0
    assert f"Exported 2 windows: exports/sessions/{day(3)}, exports/sessions/{day(2)}." in apply(shell)
    told = manifest(shell, 3)
    (listed,) = told["files"]
    content = (shell.folder / "exports/sessions" / day(3) / listed["name"]).read_bytes()
    assert (told["sessions"], len(content.splitlines())) == (2, 2)
    assert told["bytes"] == listed["bytes"] == len(content)
    assert manifest(shell, 2)["sessions"] == 0
    assert planned(shell)["isEmpty"]
    shell.run("plan", "--detailed-exitcode", "--out", "b.lpplan")
    apply(shell)
    assert jobs(served) == WINDOWS
    assert shell.json("drift")["moved"] == []


def test_a_window_that_lost_or_changed_a_file_is_exported_again_and_nothing_is_deleted(shell: Shell) -> None:
    planned(shell)
    apply(shell)
    folder = shell.folder / "exports/sessions" / day(3)
    (file,) = folder.glob("sessions-*.ndjson")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    (shell.folder / "exports/sessions" / day(2) / "manifest.json").unlink()
    assert len(notes(shell, "export")) == 1
    assert f"is kept as exports/sessions/{day(3)}.damaged-1" in apply(shell)
    assert file.read_bytes() == whole
    assert (folder.with_name(f"{day(3)}.damaged-1") / file.name).read_bytes() == whole[:-1]
    assert planned(shell)["isEmpty"]


@pytest.mark.parametrize("moment", ["exportData", "getExportResults"])
def test_a_killed_apply_never_pays_twice_for_a_job_whose_id_it_knows(
    shell: Shell, served: Served, moment: str
) -> None:
    planned(shell)
    served.hold(moment, after=1)
    process = shell.start("apply", "a.lpplan", "--yes")
    wait_for(served.holds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    served.release()
    before = jobs(served)
    apply(shell)
    assert planned(shell)["isEmpty"]
    assert jobs(served) - before == (1 if moment == "exportData" else 0)
    assert [path.name for path in (shell.folder / "exports/sessions").glob(".*")] == []


def test_windows_over_the_quota_wait_and_are_named(serve: Serve, shell: Shell, served: Served) -> None:
    spec = SPEC.replace("FROM", day(31))
    write_files(shell.folder, {"specs/sessions.yaml": spec})
    (sentence,) = notes(shell, "export")
    assert sentence.startswith(
        f"30 windows are missing ({day(31)} to {day(2)}): exporting them takes 30 of 24"
    )
    assert "6 will wait for the next apply after" in sentence
    told = apply(shell, code=10)
    assert "Exported 24 windows" in told
    assert f"6 windows must wait because today's jobs are used up: exports/sessions/{day(7)}" in told
    (sentence,) = notes(shell, "export")
    assert "takes 6 of 24 exportData jobs a day, and 0 are left. 6 will wait" in sentence
    assert jobs(served) == 24


def test_windows_that_leanplum_has_no_more_are_a_remark(shell: Shell) -> None:
    spec = SPEC.replace('"FROM"', f'"{day(61)}", until: "{day(60)}"')
    write_files(shell.folder, {"specs/sessions.yaml": spec})
    (remark,) = notes(shell, "remark")
    assert remark.startswith(f"2 windows ({day(61)}, {day(60)}) can't be exported any more")
    assert planned(shell)["isEmpty"]


def test_a_report_is_kept_as_leanplum_gives_it(shell: Shell, served: Served) -> None:
    write_files(shell.folder, {"specs/activity.yaml": REPORT.replace("FROM", day(2))})
    assert len(notes(shell, "export")) == 2
    apply(shell)
    report = shell.folder / "exports/activity" / day(2) / "report.json"
    assert json.loads(report.read_text()) == {"users": 3}
    assert (jobs(served, "exportReport"), planned(shell)["isEmpty"]) == (1, True)


def test_a_week_is_one_window(shell: Shell) -> None:
    spec = SPEC.replace("FROM", day(15)).replace("folder:", "every: week, folder:")
    write_files(shell.folder, {"specs/sessions.yaml": spec})
    planned(shell)
    told = apply(shell)
    assert f"exports/sessions/{day(15)}-to-{day(9)}, exports/sessions/{day(8)}-to-{day(2)}." in told


def test_files_of_another_export_are_never_replaced(shell: Shell) -> None:
    planned(shell)
    apply(shell)
    write_files(
        shell.folder, {"specs/sessions.yaml": REPORT.replace("FROM", day(3)).replace("activity", "sessions")}
    )
    failed = shell.run("plan", code=3)
    assert f"exports/sessions/{day(3)} has files of another app, or of another export" in failed.stderr
    assert manifest(shell, 3)["action"] == "exportData"


def test_each_environment_has_a_folder_of_its_own(shell: Shell) -> None:
    spec = SPEC.replace("FROM", day(2)).replace("exports/sessions", "'exports/{environment}/sessions'")
    write_files(shell.folder, {"specs/sessions.yaml": spec})
    planned(shell)
    assert f"Exported 1 window: exports/live/sessions/{day(2)}." in apply(shell)
    assert planned(shell)["isEmpty"]


def test_a_link_never_leads_files_out_of_the_project(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    planned(shell)
    (shell.folder / "exports").symlink_to(tmp_path / "outside")
    for failed in (shell.run("plan", code=3), shell.run("apply", "a.lpplan", "--yes", code=3)):
        assert "the folder exports/sessions is outside the project folder" in failed.stderr
    assert list((tmp_path / "outside").iterdir()) == []


def test_exports_travel_with_other_changes_and_need_only_the_data_export_key(
    shell: Shell, served: Served
) -> None:
    shell.environ = {k: v for k, v in shell.environ.items() if k != "LEANPLUM_DATA_EXPORT_KEY"}
    shell.run("validate")
    shell.run("plan", "--out", "a.lpplan")
    assert "LEANPLUM_DATA_EXPORT_KEY" in apply(shell, code=9)
    shell.environ = served.environ
    tiers = (
        SPEC.partition("kind")[0]
        + "kind: UserAttributes\nmetadata: {name: tiers}\nspec: {users: {inline: [u1]}, attributes: {tier: gold}}\n"
    )
    write_files(shell.folder, {"specs/tiers.yaml": tiers})
    planned(shell)
    assert "Exported 2 windows" in apply(shell)
    assert planned(shell)["isEmpty"]


def test_all_mistakes_are_reported_in_one_run(shell: Shell) -> None:
    mistakes = {
        'data: sessions, from: "2026-11-01", folder: ../out': "not a folder inside the project",
        'data: sessions, from: "2026-11-01", folder: /out': "not a folder inside the project",
        'data: sessions, from: "2026-11-31", folder: a': "this is not a day",
        "data: sessions, from: yesterday, folder: b": "this is not a day",
        'data: sessions, from: "2026-11-02", until: "2026-11-01", folder: c': "`until` is before `from`",
        'from: "2026-11-01", folder: d': "nothing says what to export",
        'data: sessions, report: {type: UserActivity}, from: "2026-11-01", folder: e': "`data` can't be used with `report`",
        'report: {type: MessageResults}, from: "2026-11-01", folder: f': "needs `message`",
        'report: {type: UserActivity, bookmark: x}, from: "2026-11-01", folder: g': "has no `bookmark`",
        'data: events, from: "2026-11-01", folder: h': "data",
        'data: sessions, every: month, from: "2026-11-01", folder: i': "every",
        'data: sessions, from: "2026-11-01", delayDays: -1, folder: j': "delayDays",
        "data: sessions, folder: k": "from",
        'data: sessions, from: "2026-11-01", folder: exports/sessions/deeper': "is shared with",
    }
    for number, spec in enumerate(mistakes):
        head = SPEC.partition("spec:")[0].replace("name: sessions", f"name: wrong-{number}")
        write_files(shell.folder, {f"specs/wrong-{number}.yaml": f"{head}spec: {{{spec}}}\n"})
    problems = shell.json("validate", code=3)["problems"]
    missing = [
        spec
        for number, (spec, message) in enumerate(mistakes.items())
        if not any(
            f"wrong-{number}" in json.dumps([each["resource"], each["also"], each["place"], each["message"]])
            and message in each["message"]
            for each in problems
        )
    ]
    assert missing == []
