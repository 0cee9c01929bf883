"""
What a nightly sync costs in each mode of observing, when one user in a hundred changes: billable lookups as the emulator counts them.

Each mode plans and applies the same change to an app of its own, served over loopback. A plan from live state reads everybody, and the
others at most 2.5 % of that. Each plan's forecast must be what the emulator counts.

Plans from live state and from a snapshot are applied with ``--recheck on``: at 20 requests a second, a million users take 14 hours to
read. Plans with the baseline or an export have just read the users who change, so their apply doesn't read them again. Verifying
costs the same in each mode, and is left out.

As a script, it prints a line for each command, and returns 1 if a mode costs too much. ``--users`` says how many users there are.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
from nightly import variables
from ratios import Cost, run_measured
from servers import in_a_process, serve_emulator

from leanplum_sync.planfile import open_plan
from leanplum_sync.planner.plan import Cost as Forecast

ONE_CHANGED_IN: Final = 100
MOST_OF_LIVE: Final = 0.025
_LONGEST_SECONDS: Final = 6 * 3600
_COMMAND: Final = (sys.executable, "-m", "leanplum_sync")
_PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: costs}
spec:
  specs: [specs]
  environments: {production: {limits: {requestsPerSecond: 1000, readInBatches: true}}}
"""
_SPEC: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: loyalty}
spec:
  users: {file: ../users.csv, id: id}
  attributes:
    tier: {column: tier}
    city: {column: city}
    vip: {column: vip, type: boolean}
"""
_TIERS: Final = ("gold", "silver", "bronze")


@dataclass(frozen=True, slots=True)
class Mode:
    """How to plan: *options* of ``plan``, and whether ``apply`` checks each user again."""

    name: str
    options: tuple[str, ...]
    rechecks: bool


MODES: Final = (
    Mode("live", ("--observed", "live"), rechecks=True),
    Mode("snapshot", ("--observed", "yesterday.ndjson"), rechecks=True),
    Mode("journal", ("--observed", "journal"), rechecks=False),
    Mode("export", ("--observed", "export"), rechecks=False),
)


@dataclass(frozen=True, slots=True)
class Spent:
    """Lookups, as the emulator counted them and as the plan forecast them, and what the two commands took."""

    mode: Mode
    planning: int
    applying: int
    forecast: Forecast
    plan: Cost
    apply: Cost

    @property
    def total(self) -> int:
        return self.planning + self.applying

    @property
    def is_as_forecast(self) -> bool:
        rechecked = self.forecast.recheck if self.mode.rechecks else 0
        return (self.planning, self.applying) == (self.forecast.reads, self.forecast.writes + rechecked)

    @property
    def sentence(self) -> str:
        commands = ", ".join(
            f"{name} {cost.seconds:.1f} s and {cost.peak_bytes / 1e6:.0f} MB"
            for name, cost in (("plan", self.plan), ("apply", self.apply))
        )
        forecast = "as forecast" if self.is_as_forecast else f"NOT as forecast: {self.forecast}"
        return f"{self.mode.name}: {self.planning:,} + {self.applying:,} lookups, {forecast}; {commands}"


def failures(spent: Mapping[str, Spent]) -> list[str]:
    """Return what is wrong with *spent*, by mode."""
    most = MOST_OF_LIVE * spent["live"].total
    return [
        *(f"{name}: the forecast was wrong" for name, each in spent.items() if not each.is_as_forecast),
        *(
            f"{name}: {each.total:,} lookups are more than {most:,.0f}"
            for name, each in spent.items()
            if name != "live" and each.total > most
        ),
    ]


def run_modes(folder: Path, users: int, told: Callable[[str], None] = lambda _: None) -> dict[str, Spent]:
    """Return what each mode cost for an app with *users*."""
    before = folder / "before"
    _write_project(before, users)
    with _serving(folder / "seed.ndjson") as api:
        first = api.run(before, "plan", "--observed", "journal", "--out", "first.lpplan")
        assert api.lookups() == users
        told(f"first plan: {users:,} lookups; {first.seconds:.1f} s and {first.peak_bytes / 1e6:.0f} MB")
    (before / ".leanplum-sync" / "production.snapshot.ndjson").rename(before / "yesterday.ndjson")
    _write_rows(before, users, one_changed_in=ONE_CHANGED_IN)
    spent: dict[str, Spent] = {}
    for mode in MODES:
        project = folder / mode.name
        shutil.copytree(before, project)
        with _serving(folder / "seed.ndjson") as api:
            spent[mode.name] = _spend(api, project, mode, -(-users // ONE_CHANGED_IN))
        told(spent[mode.name].sentence)
        shutil.rmtree(project)
    return spent


def _spend(api: _Api, project: Path, mode: Mode, changing: int) -> Spent:
    plan = api.run(project, "plan", *mode.options, "--out", "made.lpplan")
    planning = api.lookups()
    with open_plan(project / "made.lpplan") as made:
        assert made.summary.changed == changing, made.summary
        forecast = made.summary.cost
    rechecks = "on" if mode.rechecks else "off"
    apply = api.run(project, "apply", "made.lpplan", "--yes", "--recheck", rechecks, "--verify", "none")
    assert api.counts()["effects"] == {"setUserAttributes": changing}
    return Spent(mode, planning, api.lookups() - planning, forecast, plan, apply)


@dataclass(frozen=True, slots=True)
class _Api:
    url: str

    def counts(self) -> dict[str, dict[str, int]]:
        with urllib.request.urlopen(f"{self.url}/_emulator/counts") as answer:
            return orjson.loads(answer.read())  # type: ignore[no-any-return]  # as the emulator documents it

    def lookups(self) -> int:
        return self.counts()["billableLookups"]["total"]

    def run(self, project: Path, *arguments: str) -> Cost:
        found = run_measured(
            [*_COMMAND, *arguments, "--quiet"],
            project,
            {"PATH": "/usr/bin:/bin", "HOME": str(project), **variables(self.url)},
            seconds=_LONGEST_SECONDS,
        )
        assert found.exit_code == 0, found.output
        return found.cost


@contextmanager
def _serving(seed: Path) -> Iterator[_Api]:
    with in_a_process(serve_emulator, str(seed)) as (url, _):
        yield _Api(url)


def _write_project(project: Path, users: int) -> None:
    """Write a project whose rows are what its app has, and the app's seed beside it."""
    (project / "specs").mkdir(parents=True)
    (project / "leanplum-sync.yaml").write_text(_PROJECT)
    (project / "specs" / "loyalty.yaml").write_text(_SPEC)
    _write_rows(project, users)
    with (project.parent / "seed.ndjson").open("wb") as seed:
        for number in range(users):
            tier, city, vip = _row(number)
            attributes = {"tier": tier, "city": city, "vip": vip}
            seed.write(
                orjson.dumps(
                    {"userId": _user(number), "userAttributes": attributes}, option=orjson.OPT_APPEND_NEWLINE
                )
            )


def _write_rows(project: Path, users: int, one_changed_in: int | None = None) -> None:
    with (project / "users.csv").open("w") as rows:
        rows.write("id,tier,city,vip\n")
        for number in range(users):
            tier, city, vip = _row(number)
            if one_changed_in is not None and number % one_changed_in == 0:
                tier = "platinum"
            rows.write(f"{_user(number)},{tier},{city},{str(vip).lower()}\n")


def _user(number: int) -> str:
    return f"user-{number:08}"


def _row(number: int) -> tuple[str, str, bool]:
    return _TIERS[number % 3], f"city {number % 977}", number % 2 == 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Counts the lookups of a nightly sync in each mode.")
    parser.add_argument("--users", type=int, default=20_000)
    options = parser.parse_args()

    def told(line: str) -> None:
        print(line, flush=True)  # noqa: T201 - its report is what it is for

    with tempfile.TemporaryDirectory(prefix="leanplum-sync-costs-") as folder:
        spent = run_modes(Path(folder), options.users, told)
    live = spent["live"].total
    for name, each in spent.items():
        told(f"{name}: {each.total / live:.2%} of live")
    wrong = failures(spent)
    for line in wrong:
        told(f"FAILED {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
