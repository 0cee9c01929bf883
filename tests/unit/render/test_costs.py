"""What commands cost in a month, as text and as JSON."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import pytest
from document_schemas import check_document

from leanplum_sync.journal.entry import ExportState
from leanplum_sync.journal.ledger import Cost, ExportJob
from leanplum_sync.render.costs import NOTHING, CostReport, Sum, cost_report, costs_json, costs_text
from leanplum_sync.render.page import Page

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC).timestamp()
PLAN = Cost("c1", "2026-11-12", "app", "live", "plan", 1.0, 2.0, read_lookups=900, plan_digest="d" * 64)
APPLY = replace(
    PLAN,
    command_id="c2",
    command="apply",
    day="2026-11-21",
    noted_at=3.0,
    read_lookups=10,
    write_lookups=90,
    run=7,
)
PULL = replace(PLAN, command_id="c3", command="pull", day="2026-10-31", plan_digest=None, read_lookups=5)
JOB = ExportJob("j", "app", "live", "plan", "tier", ExportState.USED, NOW - 60, "export_users_1_2")


def report(*costs: Cost, jobs: tuple[ExportJob, ...] = (), budget: int | None = None) -> CostReport:
    return cost_report("The journal journal.db", NOW, costs, jobs, {"live": budget})


def test_the_month_is_added_up_by_day_command_and_plan() -> None:
    [live] = report(PLAN, APPLY, PULL, jobs=(JOB,)).environments
    assert live.cost == Sum(910, 90)
    assert live.days == {"2026-11-12": Sum(900), "2026-11-21": Sum(10, 90)}
    assert live.jobs == {"2026-11-21": 1}
    assert live.commands == {"plan": Sum(900), "apply": Sum(10, 90)}
    [plan] = live.plans
    assert (plan.run, plan.day, plan.cost) == (7, "2026-11-21", Sum(910, 90))


def test_a_command_that_ran_over_midnight_counts_once() -> None:
    [live] = report(PLAN, replace(PLAN, day="2026-11-13")).environments
    assert live.times == {"plan": 1}


@pytest.mark.parametrize(
    ("costs", "forecast"),
    [
        ([PLAN, APPLY], 1000 + 900),  # 10 days cost 1,000, and 9 are left
        ([APPLY], 100 + 900),  # one day
        ([PULL, APPLY], 100 + -(-105 * 9 // 22)),  # the mean reaches back into the last month
        ([replace(PULL, day="2026-10-20")], 0),  # too long ago
    ],
)
def test_the_forecast_continues_with_the_mean_of_the_recent_days(costs: list[Cost], forecast: int) -> None:
    [live] = report(*costs).environments
    assert live.forecast == forecast


def test_failed_jobs_and_those_of_last_month_do_not_count() -> None:
    jobs = (replace(JOB, state=ExportState.FAILED), replace(JOB, asked_at=NOW - 30 * 86_400))
    [live] = report(APPLY, jobs=jobs).environments
    assert live.jobs == {}


def test_the_text_shows_the_forecast_against_the_budget() -> None:
    text = costs_text(report(PLAN, APPLY, jobs=(JOB,), budget=1500), Page(width=100))
    assert (
        text
        == """\
live, November 2026 (UTC)
  1,000  billable lookups so far
  1,900  forecast for the whole month
  1,500  budget (billableLookupsPerMonth): the forecast is over it

  day         reading  writing  lookups  export jobs
  2026-11-12      900        0      900  -
  2026-11-21       10       90      100  1

  command  times  reading  writing  lookups
  apply        1       10       90  100
  plan         1      900        0  900

  plan          run  reading  writing  lookups  last day
  dddddddddddd    7      910       90    1,000  2026-11-21
"""
    )
    within = costs_text(report(PLAN, APPLY, budget=1900), Page(width=100))
    assert "1,900  budget (billableLookupsPerMonth)\n" in within


def test_a_ledger_without_costs_says_so() -> None:
    assert costs_text(report(), Page()) == f"{NOTHING}\n"


def test_only_the_latest_plans_are_shown() -> None:
    plans = [replace(PLAN, command_id=f"c{n}", plan_digest=f"{n:064}", noted_at=n) for n in range(23)]
    text = costs_text(report(*plans), Page(width=100))
    assert "and 3 earlier" in text
    assert len(json.loads(costs_json(report(*plans)))["environments"][0]["plans"]) == 23


def test_the_document_follows_its_schema() -> None:
    text = costs_json(report(PLAN, APPLY, PULL, jobs=(JOB,), budget=1400))
    check_document(text)
    [live] = json.loads(text)["environments"]
    assert (live["lookups"], live["forecast"], live["budget"], live["isOver"]) == (1000, 1412, 1400, True)
    assert live["days"][1] == {
        "day": "2026-11-21",
        "reads": 10,
        "writes": 90,
        "lookups": 100,
        "exportJobs": 1,
    }
    check_document(costs_json(report()))
