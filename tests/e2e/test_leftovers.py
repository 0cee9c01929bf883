"""What was rejected is written to a file, and the file, named in the spec, is what the next run needs."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
from shell import Served, Shell

Example = Callable[[str], Shell]
Serve = Callable[..., Served]
LIVE = """  environments:
    live:
      appId: {env: LEANPLUM_APP_ID}
      budget: {sends: 100}
      limits: {requestsPerSecond: 1000}
"""
GONE = ("00004", "00021", "00111")


@pytest.fixture
def shell(example: Example) -> Shell:
    found = example("loyalty-migration")
    project = found.folder / "leanplum-sync.yaml"
    text = project.read_text().replace("defaultEnvironment: sandbox", "defaultEnvironment: live")
    project.write_text(text.replace("  environments:\n", LIVE))
    return found


def without(seed: Path, users: Collection[str]) -> Path:
    """Return a seed like *seed* in which these *users* are missing."""
    lines = gzip.decompress(seed.read_bytes()).splitlines(keepends=True)
    rest = [line for line in lines if json.loads(line).get("userId") not in users]
    assert len(rest) == len(lines) - len(users)
    thinned = seed.with_name("thinned.ndjson")
    thinned.write_bytes(b"".join(rest))
    return thinned


@pytest.mark.slow
def test_the_rows_of_who_was_gone_are_a_source_for_the_next_run(shell: Shell, serve: Serve) -> None:
    (seed,) = (shell.folder / "seed").glob("*.gz")
    shell.environ = serve(seeds=[seed]).environ
    shell.run("plan", "--out", "a.lpplan")
    shell.environ = serve(seeds=[without(seed, GONE)]).environ
    applied = shell.run("apply", "a.lpplan", "--yes", "--recheck", "off", code=4)
    name = ".leanplum-sync/run-1.rejected.UserAttributes-loyalty.csv"
    assert name in applied.stderr
    assert ".leanplum-sync/run-1.rejected.UserAttributes-launch-evening.ndjson" in applied.stderr
    assert [
        row["customer_id"] for row in csv.DictReader((shell.folder / name).read_text().splitlines())
    ] == list(GONE)

    # They are back, and the spec names the file.
    for user in GONE:
        shell.run("call", "setUserAttributes", f"userId={user}", "createDisposition=CreateIfNeeded", "--yes")
    spec = shell.folder / "specs" / "loyalty.yaml"
    whole = spec.read_text()
    evening = "../.leanplum-sync/run-1.rejected.UserAttributes-launch-evening.ndjson"
    inline = 'inline: ["00004", "00021", "00111"]'
    assert inline in whole
    spec.write_text(
        whole.replace("../data/customers.csv", f"../{name}").replace(inline, f"file: {evening}\n    id: id")
    )
    plan = shell.json("plan", "--out", "b.lpplan")
    assert plan["users"]["listed"] == plan["users"]["changed"] == len(GONE)
    shell.run("apply", "b.lpplan", "--yes")
    spec.write_text(whole)
    assert shell.json("plan", "--out", "c.lpplan")["actions"] == 0
