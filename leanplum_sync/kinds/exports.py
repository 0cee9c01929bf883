"""Exports: files of sessions or of a report that the project must have, for each day or week. Nothing in the app is changed."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from leanplum_sync.address import SubjectKind
from leanplum_sync.kinds.export_series import ExportSeries
from leanplum_sync.kinds.kind import Kind, Resource, resource_at
from leanplum_sync.kinds.rows.document import Document, Edge, wrong
from leanplum_sync.kinds.rows.site import Site
from leanplum_sync.kinds.rows.source import NeededColumn
from leanplum_sync.wire.action import Json

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOST_DELAY: Final = 30
_NEEDED: Final = {"AbTestResults": "abTest", "MessageResults": "message", "BookmarkedReport": "bookmark"}


def _day(text: str) -> str:
    try:
        if _DAY.fullmatch(text):
            dt.date.fromisoformat(text)
            return text
    except ValueError:
        pass
    raise wrong("this is not a day", "Write it as 2026-11-30.")


def _folder(text: str) -> str:
    parts = text.split("/")
    if "\\" in text or any(not part or part.startswith(".") or part != part.strip() for part in parts):
        raise wrong(
            "this is not a folder inside the project",
            "Write a path relative to the project folder, such as exports/sessions.",
        )
    return text


Day = Annotated[str, AfterValidator(_day)]
_Id = Annotated[int, Field(ge=1)]


class ReportModel(Edge):
    type: Literal["UserActivity", "AbTestResults", "MessageResults", "BookmarkedReport"] = Field(
        description="The type of report.", examples=["MessageResults"]
    )
    ab_test: _Id | None = Field(
        default=None, description="The id of the A/B test, for AbTestResults.", examples=[5670583287676928]
    )
    message: _Id | None = Field(
        default=None, description="The id of the message, for MessageResults.", examples=[5670583287676928]
    )
    bookmark: Annotated[str, StringConstraints(min_length=1)] | None = Field(
        default=None, description="The name of the bookmark, for BookmarkedReport.", examples=["Weekly sales"]
    )
    events: list[Annotated[str, StringConstraints(min_length=1)]] = Field(
        default=[], description="Names of events to report on.", examples=[["purchase"]]
    )

    @model_validator(mode="after")
    def _has_its_id(self) -> Self:
        given = {"abTest": self.ab_test, "message": self.message, "bookmark": self.bookmark}
        needed = _NEEDED.get(self.type)
        if needed is not None and given[needed] is None:
            raise wrong(f"a report of type {self.type} needs `{needed}`", f"Add `{needed}`.")
        for name, value in given.items():
            if value is not None and name != needed:
                raise wrong(f"a report of type {self.type} has no `{name}`", f"Remove `{name}`.")
        return self

    @property
    def arguments(self) -> dict[str, Json]:
        """The arguments of exportReport besides the days."""
        given: dict[str, Json] = {
            "dataType": self.type,
            "abTestId": self.ab_test,
            "messageId": self.message,
            "bookmarkName": self.bookmark,
            "eventNames": list(self.events) or None,
        }
        return {name: value for name, value in given.items() if value is not None}


class ExportsSpec(Edge):
    data: Literal["sessions"] | None = Field(
        default=None,
        description="`sessions`: the sessions with their events, as lines of JSON, with exportData. Instead of `report`.",
        examples=["sessions"],
    )
    report: ReportModel | None = Field(
        default=None,
        description="A report, as Leanplum gives it, with exportReport. Instead of `data`.",
        examples=[{"type": "UserActivity"}],
    )
    every: Literal["day", "week"] = Field(
        default="day",
        description="How long a window is. Each has its own job and its own folder.",
        examples=["week"],
    )
    from_: Day = Field(
        alias="from",
        description="The first day of the first window; days are those of California. Weeks begin on its day of the week.",
        examples=["2026-11-01"],
    )
    until: Day | None = Field(
        default=None, description="The last day. Default: windows never end.", examples=["2026-12-31"]
    )
    delay_days: Annotated[int, Field(ge=0, le=_MOST_DELAY)] = Field(
        default=1,
        description="How many days after its end a window is exported. Sessions may arrive late: a later export has more of them.",
        examples=[8],
    )
    folder: Annotated[str, AfterValidator(_folder)] = Field(
        description="Where the windows are kept, relative to the project folder: a folder for each, with its files and a manifest."
        " `{environment}` stands for the name of the environment.",
        examples=["exports/{environment}/sessions"],
    )

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if self.data is None and self.report is None:
            raise wrong("nothing says what to export", "Write `data: sessions`, or `report:` with a type.")
        if self.data is not None and self.report is not None:
            raise wrong(
                "`data` can't be used with `report`", "Write two documents, each with its own folder."
            )
        if self.until is not None and self.until < self.from_:
            raise wrong("`until` is before `from`", "Swap them, or remove `until`.")
        return self


class ExportsDocument(Document):
    kind: Literal["Exports"] = Field(description="The kind of document.", examples=["Exports"])
    spec: ExportsSpec = Field(
        description="What to export, and for which days.",
        examples=[{"data": "sessions", "from": "2026-11-01", "folder": "exports/sessions"}],
    )


def build(document: ExportsDocument, site: Site) -> Resource:
    spec = document.spec
    if site.depends_on:
        site.report(
            ("metadata", "dependsOn"),
            "exports change nothing in the app, so they can't depend on other documents",
            "Remove `dependsOn`.",
        )
    series = ExportSeries(
        "exportData" if spec.report is None else "exportReport",
        {} if spec.report is None else spec.report.arguments,
        spec.every,
        dt.date.fromisoformat(spec.from_),
        None if spec.until is None else dt.date.fromisoformat(spec.until),
        spec.delay_days,
        spec.folder,
        site.place(("spec", "folder")),
    )
    return resource_at(
        site, KIND, id_column=NeededColumn("", site.place(("kind",))), parts=(), exports=series
    )


KIND: Final[Kind[ExportsDocument]] = Kind(
    name="Exports",
    summary="Keeps files of sessions or of a report in the project, for each day or week.",
    document=ExportsDocument,
    rows_key="",
    rows=lambda _: None,
    subjects=SubjectKind.USER,
    build=build,
    entries=(),
    stand_ins={},
    reads=("exportData", "exportReport", "getExportResults"),
    writes=(),
    key=None,
    delivery=(),
    hazards=(),
    tables={"Exports": ExportsSpec, "report": ReportModel},
)
