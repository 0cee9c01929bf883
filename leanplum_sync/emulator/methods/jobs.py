"""
Jobs: started by one action, asked about with another, their results in files.

A CSV import is a job over a file in a bucket. Its rows run as actions, in requests of fifty.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from leanplum_sync.emulator.deliveries import Delivery
from leanplum_sync.emulator.errors import RefusedError, invalid
from leanplum_sync.emulator.methods.files import file_url
from leanplum_sync.emulator.methods.postbacks import number
from leanplum_sync.emulator.raw_export import as_csv, as_json_lines
from leanplum_sync.emulator.sessions import end, ends_at
from leanplum_sync.emulator.user_export import users_csv
from leanplum_sync.emulator.values import to_json
from leanplum_sync.emulator.work import Element, Work

# Days begin in California: quotas, and dates of exports.
PACIFIC = timezone(timedelta(hours=-8))
BUCKETS = "bucket"
APP_NUMBER = 4500000000000000
_OLDEST_DAYS = 60
_REPORTS = {
    "UserActivity": None,
    "AbTestResults": "abTestId",
    "MessageResults": "messageId",
    "BookmarkedReport": "bookmarkName",
}


def export_users(work: Work) -> Element:
    attribute, test_id = work.arguments.text("userAttribute"), work.arguments.text("abTestId")
    test = work.transaction.thing("abTest", test_id) if test_id else None
    if test_id and test is None:
        raise RefusedError("A/B test not found.", 404)
    _take_quota(work, "exportUsers", work.switches.export_users_a_day)
    content, size = users_csv(work, attribute, test_id, test)
    job_id = f"export_users_{APP_NUMBER}_{number(work.transaction, 'job')}"
    name = f"export/{job_id}.csv"
    work.transaction.put_file(name, content)
    fields = [
        "userId",
        *(["variantId", "variantName"] if test_id else []),
        *([attribute] if attribute else []),
    ]
    told = {"numBytes": size} if work.switches.export_users_bytes else {}
    failed = work.switches.export_users_outcome == "FAILED"
    return _started(work, job_id, {"files": [name], "fields": fields, **told}, failed=failed)


def export_data(work: Work) -> Element:
    first, last = _period(work)
    if work.now - first > _OLDEST_DAYS * 86_400:
        raise RefusedError(f"You cannot export data older than {_OLDEST_DAYS} days")
    _end_idle_sessions(work)
    records = work.transaction.sessions(first, last)
    if not records and work.switches.empty_export == "not_found":
        raise RefusedError("No matching data found.", 404)
    form = work.arguments.text("exportFormat") or "json"
    if form not in ("json", "csv"):
        raise invalid("exportFormat")
    _take_quota(work, "exportData", work.switches.export_data_a_day)
    job = number(work.transaction, "job")
    job_id = f"export_{APP_NUMBER}_{job}"
    prefix = f"export/export-{APP_NUMBER}-{job}-output"
    contents = {"-0": as_json_lines(records)} if form == "json" else as_csv(records)
    for suffix, content in contents.items():
        work.transaction.put_file(prefix + suffix, content)
    result = {
        "numSessions": len(records),
        "numBytes": sum(map(len, contents.values())),
        "files": [prefix + suffix for suffix in contents],
    }
    if "s3BucketName" in work.arguments:
        result["s3CopyStatus"] = "FAILED"  # nothing leaves loopback
    started = _started(work, job_id, result)
    if (callback := work.arguments.text("callbackUrl")) is not None:
        body = {"response": [_finished(job_id, result, work.base_url)]}
        work.deliveries.append(Delivery(callback, to_json(body)))
    return started


def _period(work: Work) -> tuple[float, float]:
    """Return the first moment asked for and the one after the last."""
    first = _midnight(work.arguments.required_text("startDate"), "startDate")
    last = _midnight(work.arguments.text("endDate") or work.arguments.required_text("startDate"), "endDate")
    last = last + timedelta(days=1)
    started, ended = work.arguments.number("startTime"), work.arguments.number("endTime")
    return (
        first.timestamp() if started is None else max(first.timestamp(), started),
        last.timestamp() if ended is None else min(last.timestamp(), ended),
    )


def _midnight(date: str, name: str) -> datetime:
    try:
        return datetime.strptime(date, "%Y%m%d").replace(tzinfo=PACIFIC)
    except ValueError:
        raise invalid(name) from None


def _end_idle_sessions(work: Work) -> None:
    """Record the sessions nobody ended: exports tell only of complete ones."""
    for user in work.transaction.users_in_session():
        idle = [key for key, session in user.sessions.items() if ends_at(session) <= work.now]
        for key in idle:
            session = user.sessions[key]
            end(user, key, session["paused"] or session["seen"], work.transaction)
        if idle:
            work.transaction.put(user)


def export_report(work: Work) -> Element:
    _period(work)
    kind = work.arguments.required_text("dataType")
    if kind not in _REPORTS:
        raise invalid("dataType")
    needed = _REPORTS[kind]
    if needed is not None:
        work.arguments.required_text(needed)
    _take_quota(work, "exportReport", work.switches.export_reports_a_day)
    # The schema of reports is not public: a seed {"report": {"dataType": ..., "data": ...}} can give one.
    report = work.transaction.thing("report", kind) or {"data": {}}
    job_id = f"export_report_{APP_NUMBER}_{number(work.transaction, 'job')}"
    return _started(work, job_id, {"data": report.get("data", {})})


def get_export_results(work: Work) -> Element:
    job_id, (state, job) = work.arguments.required_text("jobId"), job_and_state(work)
    if state != "FINISHED":
        return {"jobId": job_id, "state": state}
    return _finished(job_id, job["result"], work.base_url)


def _finished(job_id: str, result: dict[str, Any], base_url: str) -> Element:
    files = {"files": [file_url(base_url, name) for name in result["files"]]} if "files" in result else {}
    return {"success": True, "jobId": job_id, "state": "FINISHED"} | result | files


def job_and_state(work: Work) -> tuple[str, dict[str, Any]]:
    """Return the state of the job that the call names, and the job. PENDING and RUNNING each last as long as the switch says."""
    job = work.transaction.thing("job", work.arguments.required_text("jobId"))
    if job is None:
        raise RefusedError("Job not found.", 404)
    age, seconds = work.now - job["started"], work.switches.job_seconds
    if age < seconds:
        return "PENDING", job
    if age < 2 * seconds:
        return "RUNNING", job
    return "FAILED" if job.get("failed") else "FINISHED", job


def _started(work: Work, job_id: str, result: dict[str, Any], *, failed: bool = False) -> Element:
    work.transaction.put_thing("job", job_id, {"started": work.now, "result": result, "failed": failed})
    return {"jobId": job_id}


def _take_quota(work: Work, action: str, a_day: int) -> None:
    day = datetime.fromtimestamp(work.now, PACIFIC).strftime("%Y%m%d")
    used = work.transaction.thing("quota", f"{action}:{day}") or 0
    if used >= a_day:
        raise RefusedError(f"{action} is limited to {a_day} calls a day.", 403)
    work.transaction.put_thing("quota", f"{action}:{day}", used + 1)


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
    """Record what became of the rows: one response a line."""
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
