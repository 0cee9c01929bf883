"""Runs the command as people and pipelines do: a process of its own, no account, nobody's environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """No key, no colour, no terminal, no variable of ours."""
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}


@pytest.fixture
def command(environment: dict[str, str], tmp_path: Path) -> Command:
    """Run ``leanplum-sync`` with these arguments; in the project folder ``tmp_path/shop`` once there is one."""

    def run(
        *arguments: str, variables: Mapping[str, str] | None = None, answer: str = ""
    ) -> subprocess.CompletedProcess[str]:
        shop = tmp_path / "shop"
        return subprocess.run(
            [sys.executable, "-m", "leanplum_sync", *arguments],
            cwd=shop if shop.exists() else tmp_path,
            env={**environment, **(variables or {})},
            input=answer,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def shop(command: Command, tmp_path: Path) -> Path:
    """A new project, as ``init`` makes it."""
    assert command("init", "shop").returncode == 0
    return tmp_path / "shop"
