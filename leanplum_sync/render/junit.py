"""JUnit XML for pipelines: each check, and whether it failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET  # only writes; nothing is parsed

from leanplum_sync.applier.receipt import Receipt
from leanplum_sync.journal.entry import FateGroup
from leanplum_sync.operations.verify import Verification
from leanplum_sync.planner.plan import Target
from leanplum_sync.render.plan_words import Plan, nothing_to_do, target_words
from leanplum_sync.render.problems import Checked, found_words
from leanplum_sync.render.receipt import fates, groups, verified_words
from leanplum_sync.render.values import amount, cut, escaped, subject_words

_LONGEST = 2_000  # cells of a sentence
_SAMPLES = 10


@dataclass(frozen=True, slots=True)
class _Case:
    """*failure* is empty for a case that passed."""

    name: str
    failure: str = ""
    file: str = ""


def problems_junit(checked: Checked) -> str:
    cases = [_Case(str(problem.place), str(problem), problem.place.file) for problem in checked.problems] or [
        _Case(found_words(checked))
    ]
    return _document({"validate": cases})


def plan_junit(plan: Plan) -> str:
    """Return the report of a plan that has nothing to apply."""
    return _document({"apply": [_Case(nothing_to_do(plan.summary, plan.notes()))]})


def receipt_junit(receipt: Receipt, target: Target, verified: Verification | None) -> str:
    suites = {f"apply to {target_words(target)}": _applied(receipt)}
    if verified is not None and verified.checked:
        suites["verification"] = _read_back(verified)
    return _document(suites)


def _applied(receipt: Receipt) -> Sequence[_Case]:
    reasons: dict[str, list[str]] = {}
    for (fate, message), ids in groups(receipt):
        reasons.setdefault(fate.value, []).append(f"{message} (e.g. {', '.join(list(ids)[:_SAMPLES])})")
    return [
        _Case(
            f"{amount(count, 'action')}: {words}",
            "" if fate.group is FateGroup.AS_DESIRED else "; ".join([words, *reasons.get(fate.value, [])]),
        )
        for fate, count, words in fates(receipt)
    ]


def _read_back(verified: Verification) -> Sequence[_Case]:
    first, *others = verified_words(verified)
    differing = [
        _Case(subject_words(str(each.subject)), f"still different in {', '.join(each.fields)}")
        for each in verified.differing
    ]
    unnamed = verified.different - len(differing)
    more = [_Case("others", f"{unnamed:,} more users are still different")] if unnamed else []
    return [_Case(first), *differing, *more, *(_Case("unread", each) for each in others)]


def _document(suites: dict[str, Sequence[_Case]]) -> str:
    root = ET.Element("testsuites")
    for name, cases in suites.items():
        failures = sum(bool(case.failure) for case in cases)
        suite = ET.SubElement(
            root, "testsuite", name=escaped(name), tests=str(len(cases)), failures=str(failures), errors="0"
        )
        for case in cases:
            found = ET.SubElement(
                suite,
                "testcase",
                classname=escaped(case.file or name),
                name=cut(escaped(case.name), _LONGEST),
            )
            if case.failure:
                ET.SubElement(found, "failure", message=cut(escaped(case.failure), _LONGEST))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'
