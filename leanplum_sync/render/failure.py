"""A command that ended with an error, in every output format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET  # only writes; nothing is parsed

from leanplum_sync.render.documents import ErrorDocument, entry, written
from leanplum_sync.render.html.parts import main, masthead
from leanplum_sync.render.html.writing import page, tag
from leanplum_sync.render.markdown.writing import fitted, marker, prose
from leanplum_sync.render.pipelines import annotation, sarif_log
from leanplum_sync.render.values import cut, escaped

_LONGEST = 2_000  # cells of a sentence
_LONGEST_TITLE = 80


@dataclass(frozen=True, slots=True)
class Failure:
    """*over* has the counts that ``--ack`` must name, by hazard."""

    command: str
    exit: int
    message: str
    over: Mapping[str, int] = field(default_factory=dict)
    environment: str = ""

    @property
    def title(self) -> str:
        return f"{self.command} exited with code {self.exit}"

    @property
    def sentence(self) -> str:
        return cut(escaped(self.message), _LONGEST)


def failure_json(failure: Failure) -> str:
    return written(entry(ErrorDocument, failure))


def failure_markdown(failure: Failure, limit: int) -> str:
    """Return the failure in at most *limit* bytes; the sentence is cut if necessary."""
    mark = marker(failure.command.replace(" ", "-"), failure.environment)
    title = f"### {prose(cut(failure.title, _LONGEST_TITLE))}"
    cells = _LONGEST
    while True:
        found = fitted([mark, title, f"> [!CAUTION]\n> {prose(cut(failure.sentence, cells))}"], limit)
        if len(found.encode()) <= limit or not cells:
            return found
        cells //= 2


def failure_html(failure: Failure) -> str:
    alarm = tag("p", failure.sentence, class_="alarm")
    return page(failure.title, main(masthead("leanplum-sync", None, failure.title), alarm))


def failure_junit(failure: Failure) -> str:
    root = ET.Element("testsuites")
    suite = ET.SubElement(root, "testsuite", name=failure.command, tests="1", failures="0", errors="1")
    case = ET.SubElement(suite, "testcase", classname=failure.command, name=failure.title)
    ET.SubElement(case, "error", message=failure.sentence)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def failure_sarif(failure: Failure) -> str:
    """Return a log that has no ``results``. An empty list would mark the problems found earlier as fixed."""
    notification = {"level": "error", "message": {"text": failure.sentence}}
    invocation = {
        "executionSuccessful": False,
        "exitCode": failure.exit,
        "toolExecutionNotifications": [notification],
    }
    return json.dumps(sarif_log({"invocations": [invocation]}), indent=2) + "\n"


def failure_annotation(failure: Failure) -> str:
    return annotation(failure.sentence, title=failure.title)
