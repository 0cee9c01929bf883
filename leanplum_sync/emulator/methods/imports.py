"""CSV import: a job over a file in a bucket. The rows run as actions, in requests of fifty."""

from __future__ import annotations

from typing import Any

from leanplum_sync.emulator.errors import RefusedError
from leanplum_sync.emulator.methods.exports import job_and_state
from leanplum_sync.emulator.methods.files import file_url
from leanplum_sync.emulator.methods.postbacks import number
from leanplum_sync.emulator.work import Element, Work

BUCKETS = "bucket"


def start_import(work: Work) -> Element:
    """
    Note a job; the dispatcher runs its rows and then calls ``finish``.

    A file that is not in the emulator's bucket makes a job that fails, as nobody can see it before.
    """
    bucket, name = work.arguments.required_text("gcsBucket"), work.arguments.required_text("file")
    if not work.arguments.flag("createJob"):
        raise RefusedError("Action not found", 404)
    content = work.transaction.file(f"{BUCKETS}/{bucket}/{name}")
    job_id = f"multi_{number(work.transaction, 'job')}"
    work.transaction.put_thing("job", job_id, {"started": work.now, "failed": True})
    work.csv = None if content is None else content.decode("utf-8", errors="replace")
    return {"jobId": job_id}


def finish(work: Work, job_id: str, lines: list[bytes], failures: int) -> None:
    """Record what became of the rows: one answer a line."""
    name = f"import/{job_id}-results-0"
    work.transaction.put_file(name, b"".join(line + b"\n" for line in lines))
    result = {"successesCount": len(lines) - failures, "failuresCount": failures, "files": [name]}
    work.transaction.put_thing("job", job_id, {"started": work.now, "result": result})


def get_multi_results(work: Work) -> Element:
    state, job = job_and_state(work)
    if state != "FINISHED":
        return {"state": state}
    result: dict[str, Any] = job["result"]
    return {
        "state": state,
        "data": result | {"files": [file_url(work.base_url, name) for name in result["files"]]},
    }
