"""Problems beside the lines of a change, and results as pipelines read them."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from document_schemas import check_sarif
from jsonschema import ValidationError
from sample_renderings import ALL_DONE, EMPTY, NO_PROOF, PROOF, REAL, SOME_DONE, SomePlan

from leanplum_sync.problem import Place, Problem, Remark
from leanplum_sync.render.failure import Failure, failure_annotation, failure_junit, failure_sarif
from leanplum_sync.render.junit import plan_junit, problems_junit, receipt_junit
from leanplum_sync.render.pipelines import problems_annotations, problems_sarif
from leanplum_sync.render.problems import Checked

IN_A_SPEC = Problem(
    Place("specs/a b.yaml", 12, 18), "100% wrong, is `x`", "Write y.", "UserAttributes/loyalty"
)
IN_PARQUET = Problem(Place("data/a.parquet", row=3), "no id", also=Place("data/a.parquet", row=1))
BROKEN = Failure("plan", 9, "No key: 100%")
FOUND = Checked([IN_A_SPEC, IN_PARQUET], 5, 1, 0, 0)


def test_an_annotation_names_its_place_from_the_top_of_the_repository_and_escapes_what_would_end_it() -> None:
    assert problems_annotations(FOUND, "crm").splitlines() == [
        (
            "::error file=crm/specs/a b.yaml,line=12,col=18,title=UserAttributes/loyalty"
            "::UserAttributes/loyalty: 100%25 wrong, is `x`. Write y."
        ),
        "::error file=crm/data/a.parquet::no id (see data/a.parquet:row 1).",
        "::error::5 problems; the first 2 are shown.",
    ]


def test_values_cant_write_a_command_of_their_own() -> None:
    problem = Problem(Place("a,b:c\n::stop.yaml", 1), "x\r\n::add-mask::y", address="a:b,c")
    (line,) = problems_annotations(Checked([problem], 1, 0, 0, 0), "").splitlines()
    assert line.startswith(r"::error file=a%2Cb%3Ac\n%3A%3Astop.yaml,line=1,title=a%3Ab%2Cc::")


def test_sarif_has_a_result_with_its_place_for_each_problem() -> None:
    text = problems_sarif(FOUND, "crm")
    run = check_sarif(text)
    first, second = run["results"]
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "crm/specs/a%20b.yaml"},
        "region": {"startLine": 12, "startColumn": 18},
    }
    assert "region" not in second["locations"][0]["physicalLocation"]
    assert (
        second["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "crm/data/a.parquet"
    )


def test_a_remark_is_a_warning() -> None:
    checked = Checked((), 0, 1, 1, 1, remarks=[Remark(IN_A_SPEC, 3)])
    (result,) = check_sarif(problems_sarif(checked, "crm"))["results"]
    assert (result["level"], result["ruleId"]) == ("warning", "remark")
    assert problems_annotations(checked, "crm").startswith("::warning file=crm/specs/a b.yaml,line=12")


def test_sarif_without_problems_is_what_the_standard_allows_and_the_schema_can_tell() -> None:
    text = problems_sarif(Checked((), 0, 1, 1, 1), "")
    assert check_sarif(text)["results"] == []
    with pytest.raises(ValidationError):
        check_sarif(text.replace('"driver"', '"dirver"'))


def test_a_command_that_failed_has_no_results_and_says_why() -> None:
    run = check_sarif(failure_sarif(BROKEN))
    assert "results" not in run  # with none, earlier findings would count as fixed
    assert run["invocations"][0]["exitCode"] == 9
    assert failure_annotation(BROKEN) == "::error title=plan exited with code 9::No key: 100%25\n"
    suite = ET.fromstring(failure_junit(BROKEN))[0]
    assert (suite.attrib["errors"], suite[0][0].tag) == ("1", "error")


def test_junit_counts_what_failed() -> None:
    suite = ET.fromstring(receipt_junit(SOME_DONE, REAL, None))[0]
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("4", "3")
    read_back = ET.fromstring(receipt_junit(ALL_DONE, REAL, NO_PROOF))[1]
    assert [case.attrib["name"] for case in read_back if len(case)] == ["00004", "unread"]
    assert ET.fromstring(receipt_junit(ALL_DONE, REAL, PROOF))[1].attrib["failures"] == "0"
    assert ET.fromstring(problems_junit(FOUND))[0].attrib["failures"] == "2"
    assert ET.fromstring(plan_junit(SomePlan(EMPTY)))[0].attrib["failures"] == "0"
