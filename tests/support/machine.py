"""
The machine on which a pipeline's job runs.

By default its pip only records what it was asked for, and ``leanplum-sync`` is the program under test. With ``--install``, the
machine is bare: it has a Python of its own, and nothing of ours but what the pipeline's own script installs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Machine:
    """
    *path* is the PATH of a job; *pip* is the shell script that stands for pip.

    *source* and *commit* name the repository that the job installs from.
    """

    path: str
    pip: str
    source: str
    commit: str

    @property
    def variables(self) -> dict[str, str]:
        return {"LEANPLUM_SYNC_SOURCE": self.source, "LEANPLUM_SYNC_COMMIT": self.commit}


def ready(folder: Path) -> Machine:
    """Return a machine that has the program already; its source is a small repository in *folder*."""
    from quick_command import quick_path  # noqa: PLC0415 - starts processes

    source = folder / "leanplum-sync"
    source.mkdir()
    (source / "requirements.txt").write_text("click==8.5.1\n")
    path = f"{quick_path()}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return Machine(path, "", str(source), published(source))


def bare(folder: Path) -> Machine:
    """
    Return a machine with a Python of its own in *folder*, which all jobs share: each of the two installations is carried out once.

    pip takes packages from the index that it is configured for, and leanplum-sync from a repository of the files here.
    """
    source = folder / "leanplum-sync"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "mutants", "tests")
    shutil.copytree(ROOT, source, ignore=left_out)
    venv.create(folder / "python", with_pip=True, symlinks=True)
    tools = folder / "python" / "bin"
    pip = f"""\
case "$*" in *--require-hashes*) mark={folder}/requirements ;; *) mark={folder}/package ;; esac
[ -e "$mark" ] || {{ {tools}/python -m pip "$@" && touch "$mark"; }}"""
    ours = Path(sys.executable).parent
    others = [each for each in os.environ["PATH"].split(":") if Path(each) != ours]
    return Machine(":".join([str(tools), *others]), pip, str(source), published(source))


def published(source: Path) -> str:
    """Make a repository of what is in the folder *source*, and return its commit."""
    git(source, "init", "--quiet")
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message", "Publish")
    return git(source, "rev-parse", "HEAD")


def git(folder: Path, *arguments: str) -> str:
    identity = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com", "GIT_COMMITTER_NAME": "Ada"}
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_COMMITTER_EMAIL": "ada@example.com",
        **identity,
    }
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"git {arguments}: {done.stderr}"
    return done.stdout.strip()
