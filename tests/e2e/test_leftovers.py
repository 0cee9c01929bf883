"""What was rejected, or is held, is written to a file, and the file, named in the spec, is what the next run needs."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Collection
from pathlib import Path

import pytest
from files import keep_first_rows
from journals import shift_doubts
from shell import Example, Serve

GONE = ("00004", "00021", "00111")


def without(seed: Path, users: Collection[str]) -> Path:
    """Return a seed like *seed* in which these *users* are missing."""
    lines = gzip.decompress(seed.read_bytes()).splitlines(keepends=True)
    rest = [line for line in lines if json.loads(line).get("userId") not in users]
    assert len(rest) == len(lines) - len(users)
    thinned = seed.with_name("thinned.ndjson")
    thinned.write_bytes(b"".join(rest))
    return thinned


@pytest.mark.slow
def test_the_rows_of_who_was_gone_are_a_source_for_the_next_run(example: Example, serve: Serve) -> None:
    shell = example("loyalty-migration")
    keep_first_rows(shell.folder / "data" / "customers.csv", 150)
    (seed,) = shell.seeds
    shell.go_live(serve(seeds=[seed]))
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


@pytest.mark.slow
def test_the_rows_of_what_was_held_are_a_source_for_the_next_run(example: Example, serve: Serve) -> None:
    shell = example("one-off-send")
    served = serve(seeds=shell.seeds)
    shell.go_live(served)
    listed = shell.folder / "data" / "late-orders.csv"
    lines = listed.read_text().splitlines(keepends=True)[:-1]  # the last reader of the list does not exist
    whole = "".join(lines)
    users = [row["user_id"] for row in csv.DictReader(lines)]
    lost = users[15:]

    # A part of the list is served; then the rest is sent, nobody knows whether with success, and in truth it wasn't.
    listed.write_text("".join(lines[:16]))
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")
    listed.write_text(whole)
    shell.run("plan", "--out", "b.lpplan")
    served.faults("cut-before:action=sendMessage,times=1")
    held = shell.run("apply", "b.lpplan", "--yes", code=5)
    name = ".leanplum-sync/run-2.held.MessageSend-order-delay.csv"
    assert name in held.stderr
    assert [row["user_id"] for row in csv.DictReader((shell.folder / name).read_text().splitlines())] == lost

    # As long as nobody decided, the file asks for nothing.
    spec = shell.folder / "specs" / "order-delay.yaml"
    spec.write_text(spec.read_text().replace("../data/late-orders.csv", f"../{name}"))
    waiting = shell.json("plan", "--out", "c.lpplan")
    assert (waiting["users"]["listed"], waiting["actions"]) == (len(lost), 0)
    assert [(note["code"], note["count"]) for note in waiting["notes"]] == [("held", len(lost))]

    # The same file says whom the person's word is about, and then whom the next run serves.
    shift_doubts(shell.journal, -3600)
    decided = shell.json("resolve", "2", "--again", "--from", name, "--yes")
    assert decided["subjects"] == len(lost)
    plan = shell.json("plan", "--out", "d.lpplan")
    assert plan["users"]["changed"] == len(lost)
    shell.run("apply", "d.lpplan", "--yes")
    assert served.sends() == dict.fromkeys(users, 1)
    spec.write_text(spec.read_text().replace(f"../{name}", "../data/late-orders.csv"))
    assert shell.json("plan", "--out", "e.lpplan")["actions"] == 0
