"""One spec file: its text, its documents, and problems with their place and line."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path

from leanplum_sync.bounds import SPEC_FILE
from leanplum_sync.kinds.rows.site import Path as KeyPath
from leanplum_sync.problem import Place, Problem
from leanplum_sync.project.model import holds_key
from leanplum_sync.specs.withholding import withheld_lines
from leanplum_sync.specs.yaml_file import Document, Spot, YamlFault, read_documents

_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # the line breaks that ruamel.yaml counts


@dataclass(frozen=True, slots=True)
class SpecFile:
    """
    *name* is relative to the project folder, with forward slashes; *path* is where it is on this machine.

    *sensitive* names the attributes whose values are not shown; None if that is unknown.
    """

    name: str
    path: Path
    lines: tuple[str, ...]
    sensitive: frozenset[str] | None = frozenset()
    _withheld: list[tuple[bool, ...]] = field(default_factory=list, compare=False, repr=False)

    def place(self, spot: Spot) -> Place:
        return Place(self.name, spot.line, spot.column)

    def excerpt(self, line: int | None) -> str:
        """Return a line for showing, verbatim. Empty for one that may contain a key or a sensitive value."""
        if line is None or line > len(self.lines) or self.is_withheld(line):
            return ""
        text = self.lines[line - 1]
        return "" if holds_key(text) else text

    def is_withheld(self, line: int) -> bool:
        """Most files have no problem: which of their lines may be shown is worked out for the first one."""
        if not self._withheld:
            self._withheld.append(withheld_lines(self.lines, self.sensitive))
        return self._withheld[0][min(line, len(self.lines)) - 1]

    def problem(
        self, place: Place, message: str, hint: str = "", *, address: str = "", also: Place | None = None
    ) -> Problem:
        return Problem(place, message, hint, address, self.excerpt(place.line), also)

    def from_fault(self, fault: YamlFault) -> Problem:
        also = self.place(fault.also) if fault.also else None
        message = fault.unquoted if fault.unquoted and self.is_withheld(fault.spot.line) else fault.message
        return self.problem(self.place(fault.spot), message, fault.hint, also=also)


@dataclass(slots=True)
class OpenDocument:
    file: SpecFile
    document: Document
    address: str = ""
    problems: list[Problem] = field(default_factory=list)
    remarks: list[Problem] = field(default_factory=list)

    def key_place(self, path: KeyPath) -> Place:
        """Return the position of the key at *path*, or of the nearest existing key above it."""
        return self._place(path, self.document.keys)

    def value_place(self, path: KeyPath) -> Place:
        return self._place(path, self.document.values)

    def _place(self, path: KeyPath, spots: dict[KeyPath, Spot]) -> Place:
        while path and path not in spots:
            path = path[:-1]
        return self.file.place(spots.get(path) or self.document.values[()])

    def report(self, path: KeyPath, message: str, hint: str = "", *, also: KeyPath | None = None) -> None:
        self.report_at(self.key_place(path), message, hint, also=self.key_place(also) if also else None)

    def report_at(self, place: Place, message: str, hint: str = "", *, also: Place | None = None) -> None:
        self.problems.append(self.file.problem(place, message, hint, address=self.address, also=also))


def read_file(
    path: Path, name: str, sensitive: frozenset[str] | None = frozenset()
) -> tuple[list[OpenDocument], list[Problem]]:
    """
    Return the documents of a spec file, and its problems as YAML. An unreadable file is a problem as well.

    Problems show no value of the attributes in *sensitive*; None: they show no line at all.
    """
    try:
        with path.open("rb") as file:
            data = file.read(SPEC_FILE.most + 1)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        return [], [Problem(Place(name), f"the file can't be read: {reason}")]
    if len(data) > SPEC_FILE.most:
        hint = "Put long lists in data files, or split the file."
        return [], [Problem(Place(name), f"the file is larger than {SPEC_FILE}", hint)]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data.removeprefix(codecs.BOM_UTF8)[: error.start]  # the error counts from after the mark
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode()) + 1
        return [], [Problem(Place(name, line, column), "this is not UTF-8", "Save the file as UTF-8.")]
    spec_file = SpecFile(name, path, tuple(_LINE_BREAK.split(text)), sensitive)
    documents, faults = read_documents(text)
    problems = [spec_file.from_fault(fault) for fault in faults]
    if not documents and not problems:
        problems.append(
            Problem(Place(name, 1, 1), "the file contains no document", "Write a spec, or remove the file.")
        )
    return [OpenDocument(spec_file, document) for document in documents], problems
