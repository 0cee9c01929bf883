"""The example `lake`: one spec gives the same plan from a folder, from S3 and from Google Cloud Storage."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from google_store import serving_google
from object_store import serving_objects
from shell import ROOT, Example, Shell

pytestmark = pytest.mark.slow


def fill(shell: Shell, environ: Mapping[str, str]) -> None:
    example = shell.folder.parent / "loyalty-migration"
    if not example.exists():
        example.symlink_to(ROOT / "examples/loyalty-migration")
    command = [sys.executable, "fill.py"]
    subprocess.run(
        command, cwd=shell.folder, env={**shell.variables, **environ}, check=True, capture_output=True
    )


def planned(shell: Shell, environ: Mapping[str, str]) -> Any:
    shell.environ = dict(environ)
    return shell.json("plan", "--out", "a.lpplan")


def test_a_folder_s3_and_google_give_the_same_plan(example: Example) -> None:
    shell = example("lake")
    with serving_objects() as s3, serving_google() as google:
        s3_environ = {
            "LAKE_URL": "s3://exports/shop",
            "AWS_ENDPOINT_URL": s3.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
            **s3.environ,
        }
        fill(shell, {})
        fill(shell, s3_environ)
        google.put(
            {
                f"shop/{path.relative_to(shell.folder / 'lake').as_posix()}": path.read_bytes()
                for path in (shell.folder / "lake").rglob("*.parquet")
            }
        )
        plans = [planned(shell, {}), planned(shell, s3_environ)]
        project = shell.folder / "leanplum-sync.yaml"
        options = ", ".join(f"{name}: '{text}'" for name, text in google.options.items())
        project.write_text(project.read_text().replace('lake"}}', f'lake"}}, options: {{{options}}}}}'))
        plans.append(planned(shell, {"LAKE_URL": "gs://exports/shop"}))
    assert [plan["users"]["changed"] for plan in plans] == [719] * 3
    assert plans[0]["digest"] == plans[1]["digest"]
    assert len({plan["rows"][0]["digest"] for plan in plans}) == 1
    assert all("version " in version for version in plans[2]["rows"][0]["versions"].values())
    assert plans[1]["rows"][0]["versions"] != plans[0]["rows"][0]["versions"]
