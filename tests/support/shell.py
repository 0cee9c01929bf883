"""Runs the command as a user would, in a copy of an example, against an emulator that counts requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import doubts
from forked import IS_POSSIBLE, Forked, nursery

from leanplum_sync import emulator

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 600  # only ends a test that hangs
_LONGER_THAN_ANY_TEST = 86_400
_LIVE = """\
  environments:
    live:
      appId: {env: LEANPLUM_APP_ID}
      budget: {sends: 100}
      limits: {requestsPerSecond: 1000}
"""


@dataclass(slots=True)
class Shell:
    """Runs the command in *folder*, with *environ* and no other variables of leanplum-sync."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "leanplum_sync"]

    @property
    def variables(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "LEANPLUM_SYNC_NO_PROGRESS": "1",  # its lines come only when a command is slow
            # Set where a whole run of the tests is measured, its processes included.
            **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
            **self.environ,
        }

    def start(self, *arguments: str) -> Process:
        # Where coverage is measured, each process has to start it; and a copy of the package is not the one to fork.
        is_own = any(name == "PYTHONPATH" or name.startswith("COVERAGE_") for name in self.variables)
        if IS_POSSIBLE and not is_own:
            return Forked(nursery(), arguments, self.folder, {**self.variables, **doubts.for_fork()})
        return subprocess.Popen(
            [*self.command, *arguments],
            cwd=self.folder,
            env=doubts.handed_on(self.variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)
        assert process.returncode == code, f"{arguments} ended with {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in out + err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "-o", "json", code=code).stdout)

    @property
    def journal(self) -> Path:
        """The default location of a project's journal."""
        return self.folder / ".leanplum-sync" / "journal.db"

    @property
    def seeds(self) -> list[Path]:
        """The seed files of an example's emulator."""
        return sorted((self.folder / "seed").glob("*.ndjson*"))

    def go_live(self, served: Served) -> None:
        """Add the environment ``live`` to an example, with *served* as its app."""
        project = self.folder / "leanplum-sync.yaml"
        text = project.read_text().replace("defaultEnvironment: sandbox", "defaultEnvironment: live")
        project.write_text(text.replace("  environments:\n", _LIVE))
        self.environ = served.environ


@dataclass(frozen=True, slots=True)
class Served:
    url: str

    @property
    def read_only(self) -> dict[str, str]:
        """The variables of a user with read access only."""
        return {
            "LEANPLUM_API_URL": self.url,
            "LEANPLUM_APP_ID": emulator.APP_ID,
            "LEANPLUM_DATA_EXPORT_KEY": emulator.KEYS["data_export"],
            "LEANPLUM_CONTENT_READ_ONLY_KEY": emulator.KEYS["content_read_only"],
        }

    @property
    def guarded(self) -> dict[str, str]:
        """The variables of a user who may write, and who has not said that the journal of this app is new."""
        return {**self.read_only, "LEANPLUM_PRODUCTION_KEY": emulator.KEYS["production"]}

    @property
    def environ(self) -> dict[str, str]:
        """The same for a user who has: every test's app is new."""
        return {**self.guarded, "LEANPLUM_SYNC_APPLY_NEW_JOURNAL": "1"}

    @property
    def every_key(self) -> dict[str, str]:
        return {**self.environ, "LEANPLUM_DEVELOPMENT_KEY": emulator.KEYS["development"]}

    def faults(self, text: str) -> None:
        """Replace the faults. Calls that an earlier fault delays continue."""
        with urllib.request.urlopen(f"{self.url}/_emulator/faults", data=text.encode()):
            pass

    def hold(self, action: str, after: int = 0) -> None:
        """Delay each call of *action* until `release`, except for the first *after*."""
        self.faults(f"latency:seconds={_LONGER_THAN_ANY_TEST},action={action},after={after}")

    def release(self) -> None:
        self.faults("")

    def holds(self, calls: int = 1) -> bool:
        """Tell whether at least this many calls were held."""
        with urllib.request.urlopen(f"{self.url}/_emulator/faults") as answer:
            return sum(fault["struck"] for fault in json.load(answer)["faults"]) >= calls

    def counts(self) -> Any:
        with urllib.request.urlopen(f"{self.url}/_emulator/counts?detail=1") as answer:
            return json.load(answer)

    def sends(self) -> dict[str, int]:
        """How often the only message was sent to each user."""
        (found,) = self.counts()["sends"].values() or [{}]
        return dict(found)


Process: TypeAlias = subprocess.Popen[str] | Forked
Command: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]
Example: TypeAlias = Callable[[str], Shell]
Serve: TypeAlias = Callable[..., Served]
Start: TypeAlias = Callable[..., Process]


def begin_script(
    script: Path, folder: Path, *arguments: str, environ: dict[str, str] | None = None
) -> Process:
    """Start *script*, which uses the package, in *folder*, with *environ*, by default the environment of the tests."""
    # Where coverage is measured, each process has to start it.
    if IS_POSSIBLE and not any(name.startswith("COVERAGE_") for name in os.environ):
        return Forked(nursery(), arguments, folder, environ or dict(os.environ), script)
    return subprocess.Popen(
        [sys.executable, script, *arguments],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
