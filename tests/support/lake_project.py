"""A project whose users are in files of the connection ``lake``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from files import write_files

USERS = ["u1", "u2", "u3", "u4"]
_PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {{name: shop}}
spec:
  connections: {{lake: {{url: "{url}", options: {options}}}}}
  environments: {{live: {{appId: app_emulator}}}}
  limits: {{requestsPerSecond: 1000}}
"""
_TIERS = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {{name: tiers}}
spec:
  users: {{connection: lake, path: "{path}", id: id{more}}}
  attributes:
    tier: {{column: tier}}
"""


def write_project(folder: Path, url: str, options: Mapping[str, str] | None = None) -> None:
    project = _PROJECT.format(url=url, options=json.dumps(dict(options or {})))
    write_files(folder, {"leanplum-sync.yaml": project})


def write_tiers(folder: Path, path: str, more: str = "") -> None:
    """Write a spec that takes the attribute ``tier`` from the files *path*; *more* are other keys of its listing."""
    write_files(folder, {"specs/tiers.yaml": _TIERS.format(path=path, more=more and f", {more}")})
