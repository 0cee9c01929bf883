"""Exports users and sessions, and downloads the files. It can't write: planning may use it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from leanplum_sync.client.api.jobs import (
    ExportResult,
    export_data,
    export_report_with,
    export_users,
    get_export_results,
)
from leanplum_sync.client.calls import Calls
from leanplum_sync.client.download import Streams, check_address, download_once
from leanplum_sync.errors import ExportFailedError, InvalidCallError
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.catalogue import KeyClass

NEEDS: Final = (KeyClass.DATA_EXPORT,)


class Exporter:
    """
    Needs the data export key. Nothing here is billed per user, but each job that succeeds takes one from the daily quota of 40.

    The URLs of files are secrets: whoever has one can download the users of the app for 24 hours. No error shows them. They contain
    the job's id, so it isn't shown either.
    """

    def __init__(self, calls: Calls, transport: Streams, *, is_local: bool) -> None:
        self._calls, self._transport, self._is_local = calls, transport, is_local

    def start(self, attribute: str) -> str:
        """
        Start a job that exports the users who have *attribute*, with its value, and return the job's id.

        Raises:
            RejectedError, CredentialError: no job was started. The API says no more when the quota is used up.
            RateLimitedError, NotSentError: the same, after four attempts.
            NoAnswerError, UnexpectedResponseError: a job may have been started, and its id is lost.
        """
        call = export_users(attribute=attribute)
        # Not repeated after a lost response: every job takes from the quota.
        return call.read(self._calls.retrying(lambda: self._calls.once(call.action), repeatable=False))

    def start_sessions(self, first_day: str, last_day: str) -> str:
        """
        Start a job that exports the sessions of the days from *first_day* to *last_day*, such as ``20261130``, and return the job's id.

        It takes one from a daily quota of 24. Raises as ``start``.
        """
        call = export_data(first_day, last_day)
        return call.read(self._calls.retrying(lambda: self._calls.once(call.action), repeatable=False))

    def start_report(self, arguments: Mapping[str, Json], first_day: str, last_day: str) -> str:
        """
        Start a report about the days from *first_day* to *last_day*, and return the job's id. *arguments* are the others of exportReport.

        It takes one from a daily quota of 100. Raises as ``start``.
        """
        call = export_report_with(arguments, first_day, last_day)
        return call.read(self._calls.retrying(lambda: self._calls.once(call.action), repeatable=False))

    def result(self, job_id: str) -> ExportResult:
        """
        Raises:
            RejectedError: the API doesn't know the job.
            ApiError, CredentialError: it can't be asked now.
        """
        call = get_export_results(job_id)
        return call.read(self._calls.retrying(lambda: self._calls.once(call.action)))

    def download(self, url: str, into: Path) -> None:
        """
        Download one file of a job. Continues where the connection broke, up to four attempts.

        Raises:
            ExportFailedError: the URL isn't https.
            RejectedError: the file was deleted.
            NoAnswerError, NotSentError: it can't be reached now.
        """
        try:
            check_address(url, may_be_plain=self._is_local)
        except InvalidCallError:
            raise ExportFailedError("The URL of its file is not https, so nothing was downloaded.") from None
        self._calls.retrying(lambda: download_once(self._transport, url, into))
