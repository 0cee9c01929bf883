"""Tries out an export of users, and describes its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from leanplum_sync.client.api.jobs import ExportResult
from leanplum_sync.observed.export_shape import ExportShape, ShapeFinder
from leanplum_sync.operations.exporting import Exporting, Exports


def probe_export(exporting: Exporting, attribute: str, scratch: Path) -> ExportShape:
    """
    Export *attribute*, which takes one job from the daily quota, and return how its files are written. They are deleted.

    Errors are those of ``Exporting.export``.
    """
    watched = _Watched(exporting.exports)
    replace(exporting, exports=watched).export([attribute], scratch / "probed.ndjson", scratch)
    return watched.finder.shape


class _Watched:
    """Looks at files after they were downloaded: once they are merged, they are deleted."""

    def __init__(self, exports: Exports) -> None:
        self._exports = exports
        self.finder = ShapeFinder()

    def start(self, attribute: str) -> str:
        return self._exports.start(attribute)

    def result(self, job_id: str) -> ExportResult:
        return self._exports.result(job_id)

    def download(self, url: str, into: Path) -> None:
        self._exports.download(url, into)
        self.finder.add(into)
