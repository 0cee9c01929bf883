"""
How close workers come to the configured rate together, and that they never exceed it by more than a slice.

As a script, it applies a plan of sends with 1, 4 and 16 workers, and prints for each the rate between the first request and the last,
as a share of the configured one, and the most requests that started within any second. Each takes a minute.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from files import csv_of_ids, ndjson, write_files
from hello import HELLO, send_hello
from postgresql import Server, serving
from shell import TIMEOUT_SECONDS, Served, Shell

from leanplum_sync import emulator
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.rate import SLICE_SECONDS
from leanplum_sync.wire.limits import USERS_PER_BATCH

_PARTS_EACH: Final = 4  # as docs/beyond-one-machine.md advises
_PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shared}
spec:
  journal: {env: LEANPLUM_SYNC_JOURNAL}
  environments: {live: {appId: app_emulator, budget: {sends: 10000000}}}
  defaultEnvironment: live
  limits: {concurrency: 8, requestsPerSecond: 5000}
"""
_WORK: Final = ("worker", "a.lpplan", "--yes", "--recheck", "off", "--verify", "none", "--new-journal")


def starts_of(workers: int, rate: int, shell: Shell, server: Server) -> list[float]:
    """Plan and apply with a new journal and so many *workers*, and return when the requests started."""
    shell.environ["LEANPLUM_SYNC_JOURNAL"] = server.new_database()
    for mark in (shell.folder / ".leanplum-sync").glob("journal.*.mark"):
        mark.unlink()
    shell.run("plan", "--out", "a.lpplan", "--parts", str(_PARTS_EACH * workers))
    with ExitStack() as stack:
        started = [stack.enter_context(shell.start(*_WORK, "--rate", str(rate))) for _ in range(workers)]
        for each in started:
            _, err = each.communicate(timeout=TIMEOUT_SECONDS)
            assert each.returncode == 0, err
    with read_journal(shell.environ["LEANPLUM_SYNC_JOURNAL"]) as journal:
        found = [batch.sent_at for run in journal.runs() for batch in journal.batches(run.number)]
    return sorted(at for at in found if at is not None)


def most_within_a_second(starts: list[float]) -> int:
    most = first = 0
    for last, at in enumerate(starts):
        while starts[first] <= at - 1:
            first += 1
        most = max(most, last - first + 1)
    return most


def main() -> int:
    parser = argparse.ArgumentParser(description="The rate of 1, 4 and 16 workers.")
    parser.add_argument("--rate", type=int, default=20, help="requests per second (default: 20)")
    parser.add_argument("--seconds", type=int, default=60, help="how long each takes (default: 60)")
    asked = parser.parse_args()
    users = [f"u{number:06}" for number in range(asked.rate * asked.seconds * USERS_PER_BATCH)]
    failed = 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        seed = folder / "seed.ndjson"
        seed.write_text(
            ndjson(HELLO, *({"userId": user, "devices": [{"deviceId": f"d-{user}"}]} for user in users))
        )
        server = stack.enter_context(serving(connections=200))
        running = stack.enter_context(emulator.running(seeds=[seed]))
        files = {
            "leanplum-sync.yaml": _PROJECT,
            "specs/hello.yaml": send_hello("{file: ../users.csv, id: id}"),
            "users.csv": csv_of_ids(users),
        }
        write_files(folder / "project", files)
        shell = Shell(
            folder / "project",
            {**Served(running.url).environ, "LEANPLUM_SYNC_JOURNAL": server.new_database()},
        )
        for workers in (1, 4, 16):
            starts = starts_of(workers, asked.rate, shell, server)
            rate, most = (len(starts) - 1) / (starts[-1] - starts[0]), most_within_a_second(starts)
            allowed = asked.rate + max(1, round(SLICE_SECONDS * asked.rate))
            failed += most > allowed
            sys.stdout.write(
                f"{workers} workers: {len(starts)} requests, {100 * rate / asked.rate:.1f} % of {asked.rate} a second;"
                f" at most {most} within a second ({allowed} allowed)\n"
            )
            sys.stdout.flush()
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
