"""Annotations on the lines of a pull request: SARIF 2.1.0, and GitHub Actions workflow commands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote

from leanplum_sync.problem import Place, Problem
from leanplum_sync.render.problems import Checked, headline
from leanplum_sync.render.values import cut, escaped
from leanplum_sync.wire.action import Json

_RULE: Final = "invalid"
_REMARK: Final = "remark"
_RULES: Final = {
    _RULE: "A spec or a data file is not valid.",
    _REMARK: "A spec or a data file is valid, but probably not what was intended.",
}
_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LONGEST: Final = 2_000  # cells of a sentence
_IN_DATA: Final = "%\r\n"  # encoded, the percent sign first
_IN_PROPERTIES: Final = f"{_IN_DATA}:,"


def problems_sarif(checked: Checked, folder: str) -> str:
    """Paths are relative to the repository: *folder* is the project's folder in it, empty for its root."""
    results = [_result(problem, folder) for problem in checked.problems]
    results += [_result(remark.problem, folder, _REMARK, "warning") for remark in checked.remarks]
    return json.dumps(sarif_log({"results": results}), indent=2) + "\n"


def sarif_log(run: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return a log of one run of this program; *run* has the run's results or invocations."""
    driver: Mapping[str, Json] = {
        "name": "leanplum-sync",
        "rules": [{"id": rule, "shortDescription": {"text": text}} for rule, text in _RULES.items()],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, **run}]}


def _result(problem: Problem, folder: str, rule: str = _RULE, level: str = "error") -> dict[str, Json]:
    found: dict[str, Json] = {
        "ruleId": rule,
        "level": level,
        "message": {"text": _sentence(problem)},
        "locations": [_location(problem.place, folder)],
    }
    if problem.also:
        found["relatedLocations"] = [_location(problem.also, folder)]
    return found


def _location(place: Place, folder: str) -> dict[str, Json]:
    region = {"startLine": place.line, "startColumn": place.column}
    known = {name: number for name, number in region.items() if number is not None}
    where: dict[str, Json] = {"artifactLocation": {"uri": quote(_path(place, folder))}}
    return {"physicalLocation": {**where, **({"region": known} if place.line is not None else {})}}


def problems_annotations(checked: Checked, folder: str) -> str:
    """Return one line per problem, ``::error file=...,line=...::sentence``; *folder* is as for SARIF."""
    lines = [_annotation(problem, folder) for problem in checked.problems]
    if checked.total > len(checked.problems):
        lines.append(annotation(headline(checked.problems, checked.total, checked.listed)))
    lines += [_annotation(remark.problem, folder, "warning") for remark in checked.remarks]
    return "".join(lines)


def _annotation(problem: Problem, folder: str, level: str = "error") -> str:
    place = problem.place
    return annotation(
        _sentence(problem),
        level=level,
        file=_path(place, folder),
        line=place.line,
        col=place.column,
        title=problem.address,
    )


def annotation(sentence: str, *, level: str = "error", **named: str | int | None) -> str:
    """Return the workflow command that shows *sentence*; empty properties are omitted."""
    properties = ",".join(
        f"{name}={_encoded(str(value), _IN_PROPERTIES)}" for name, value in named.items() if value
    )
    return f"::{level}{' ' if properties else ''}{properties}::{_encoded(sentence, _IN_DATA)}\n"


def _sentence(problem: Problem) -> str:
    return cut(escaped(str(problem).removeprefix(str(problem.place)).lstrip(": ")), _LONGEST)


def _path(place: Place, folder: str) -> str:
    return escaped(str(PurePosixPath(folder) / place.file))


# Source: GitHub's actions/toolkit, packages/core/src/command.ts.
def _encoded(text: str, characters: str) -> str:
    for character in characters:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
