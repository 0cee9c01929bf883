"""Exports and imports: jobs that the API runs in the background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from leanplum_sync.client.api.call import Call, call
from leanplum_sync.client.api.fields import integer, mapping, text, texts
from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.action import Json

ReportType = Literal["UserActivity", "AbTestResults", "MessageResults", "BookmarkedReport"]


class JobState(StrEnum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class ExportResult:
    """
    *files* are URLs, in no particular order, which are valid for 24 hours. *size_bytes* is their total
    size, if the API returns it. *data* is the result of a report, whose schema isn't public. *fields* is
    the whole element.
    """

    state: JobState
    files: tuple[str, ...]
    size_bytes: int | None
    sessions: int | None
    columns: tuple[str, ...]
    data: Json
    fields: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class ImportResult:
    """*files* are URLs of NDJSON files with one response per row."""

    state: JobState
    successes: int | None
    failures: int | None
    files: tuple[str, ...]


def export_data(
    start_date: str,
    end_date: str | None = None,
    *,
    start_time: float | None = None,
    end_time: float | None = None,
    export_format: Literal["json", "csv"] | None = None,
    callback_url: str | None = None,
    s3: Mapping[str, Json] | None = None,
) -> Call[str]:
    """
    Start an export of sessions and return its job id. 24 a day; dates are ``20261130``, Pacific time.

    *start_time* and *end_time* choose by when data became available. *s3* holds ``s3BucketName``, ``s3AccessId``,
    ``s3AccessKey``, ``s3ObjectPrefix`` and ``compressData``.
    """
    return call(
        "exportData",
        _read_job_id,
        {
            **(s3 or {}),
            "startDate": start_date,
            "endDate": end_date,
            "startTime": start_time,
            "endTime": end_time,
            "exportFormat": export_format,
            "callbackUrl": callback_url,
        },
    )


def export_users(
    *, audience: str | None = None, ab_test_id: int | None = None, attribute: str | None = None
) -> Call[str]:
    """Start an export of user ids, with their variant or one attribute, and return its job id. 40 a day."""
    return call(
        "exportUsers",
        _read_job_id,
        {"audienceName": audience, "abTestId": ab_test_id, "userAttribute": attribute},
    )


def export_report(
    report: ReportType,
    start_date: str,
    end_date: str | None = None,
    *,
    ab_test_id: int | None = None,
    message_id: int | None = None,
    bookmark: str | None = None,
    events: Sequence[str] = (),
) -> Call[str]:
    """Start a report and return its job id. 100 a day."""
    return call(
        "exportReport",
        _read_job_id,
        {
            "dataType": report,
            "startDate": start_date,
            "endDate": end_date,
            "abTestId": ab_test_id,
            "messageId": message_id,
            "bookmarkName": bookmark,
            "eventNames": list(events) or None,
        },
    )


def export_report_with(arguments: Mapping[str, Json], start_date: str, end_date: str) -> Call[str]:
    """The same, with the *arguments* of exportReport besides its dates."""
    return call("exportReport", _read_job_id, {**arguments, "startDate": start_date, "endDate": end_date})


def get_export_results(job_id: str) -> Call[ExportResult]:
    return call("getExportResults", _read_export, {"jobId": job_id})


def import_csv(bucket: str, file: str, *, default_action: str | None = None) -> Call[str]:
    """
    Start an import of a CSV file in a bucket that Leanplum was given access to, and return its job id.

    The file must be public, so its name should be one that can't be guessed. *default_action* counts for rows without
    an ``action``. Each 50 rows cost their distinct users: sorted by user is cheapest.
    """
    arguments = {"createJob": True, "gcsBucket": bucket, "file": file, "defaultAction": default_action}
    return call("multi", _read_job_id, arguments)


def get_multi_results(job_id: str) -> Call[ImportResult]:
    return call("getMultiResults", _read_import, {"jobId": job_id})


def _read_job_id(element: Mapping[str, Json]) -> str:
    job_id = text(element, "jobId")
    if not job_id:
        raise UnexpectedResponseError("Leanplum started a job, but did not return its id.")
    return job_id


def _read_state(element: Mapping[str, Json]) -> JobState:
    try:
        return JobState(text(element, "state"))
    except ValueError:
        raise UnexpectedResponseError("Leanplum returned a job state that isn't documented.") from None


def _read_export(element: Mapping[str, Json]) -> ExportResult:
    return ExportResult(
        state=_read_state(element),
        files=texts(element, "files"),
        size_bytes=integer(element, "numBytes"),
        sessions=integer(element, "numSessions"),
        columns=texts(element, "fields"),
        data=element.get("data"),
        fields=element,
    )


def _read_import(element: Mapping[str, Json]) -> ImportResult:
    data = mapping(element, "data")
    return ImportResult(
        state=_read_state(element),
        successes=integer(data, "successesCount"),
        failures=integer(data, "failuresCount"),
        files=texts(data, "files"),
    )
