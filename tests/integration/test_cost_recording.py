"""How a command records its cost while it runs."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from clocks import Clock

from leanplum_sync.errors import MonthlyBudgetError
from leanplum_sync.journal.ledger import Cost, open_ledger, read_ledger
from leanplum_sync.library.costs import Costs
from leanplum_sync.planner.plan import Target
from leanplum_sync.project.model import BudgetModel, EmbeddedEnvironment, Limits
from leanplum_sync.project.settings import Settings
from leanplum_sync.wire.billing import Lookups

TARGET = Target(environment="live", host="h", app_id="app", is_emulator=True)
READ = Lookups(reads=1)


def settings(folder: Path, budget: int | None = None) -> Settings:
    model = BudgetModel.model_validate({"billableLookupsPerMonth": budget})
    environment = EmbeddedEnvironment("live", (), model, Limits())
    return Settings(folder, environment, folder / "journal.db", frozenset())


def recorded(folder: Path) -> Sequence[Cost]:
    with read_ledger(folder / "journal.db") as ledger:
        return ledger.costs() if ledger else ()


def test_a_slice_is_written_at_once_and_then_for_each_hundred(tmp_path: Path) -> None:
    costs = Costs(settings(tmp_path), TARGET, "pull", Clock())
    assert recorded(tmp_path) == ()
    for number in range(1, 252):
        costs.spend(READ)
        [cost] = recorded(tmp_path) if number in (1, 100, 101, 200, 201, 251) else [None]
        if cost is not None:
            assert cost.read_lookups == 1 + (number - 1) // 100 * 100
    costs.about(run=3, plan_digest="d")
    costs.close()
    [cost] = recorded(tmp_path)
    assert (cost.read_lookups, cost.run, cost.plan_digest, cost.command) == (251, 3, "d", "pull")


def test_a_command_without_lookups_leaves_no_journal(tmp_path: Path) -> None:
    costs = Costs(settings(tmp_path), TARGET, "plan", Clock())
    costs.about(plan_digest="d")
    costs.close()
    assert not (tmp_path / "journal.db").exists()


def test_a_command_that_runs_over_midnight_has_a_row_for_each_day(tmp_path: Path) -> None:
    clock = Clock(dt.datetime(2026, 11, 30, 23, 59, tzinfo=dt.UTC).timestamp())
    costs = Costs(settings(tmp_path), TARGET, "pull", clock)
    costs.spend(READ)
    clock.sleep(120)
    costs.spend(Lookups(writes=2))
    costs.close()
    assert [(cost.day, cost.read_lookups, cost.write_lookups) for cost in recorded(tmp_path)] == [
        ("2026-11-30", 1, 0),
        ("2026-12-01", 0, 2),
    ]


def test_threads_lose_nothing(tmp_path: Path) -> None:
    costs = Costs(settings(tmp_path), TARGET, "pull", Clock())
    threads = [threading.Thread(target=lambda: [costs.spend(READ) for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    costs.close()
    assert sum(cost.lookups for cost in recorded(tmp_path)) == 800


def test_a_ledger_that_can_not_be_written_stops_nothing_and_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("no database")
    told: list[str] = []
    costs = Costs(settings(tmp_path), TARGET, "pull", Clock(), warn=told.append)
    for _ in range(300):
        costs.spend(READ)
    costs.close()
    [sentence] = told
    assert sentence.startswith("The lookups of this command are not recorded for status --costs.")
    assert costs.total == 300


def test_the_budget_of_a_month_counts_all_commands_of_the_environment_in_it(tmp_path: Path) -> None:
    clock = Clock(dt.datetime(2026, 11, 30, tzinfo=dt.UTC).timestamp())
    other = Cost("c1", "2026-11-02", "app", "live", "pull", 1.0, 2.0, read_lookups=6)
    elsewhere = Cost("c2", "2026-11-02", "app", "sandbox", "pull", 1.0, 2.0, read_lookups=50)
    before = Cost("c3", "2026-10-31", "app", "live", "pull", 1.0, 2.0, read_lookups=50)
    with open_ledger(tmp_path / "journal.db") as ledger:
        ledger.note([other, elsewhere, before])
    costs = Costs(settings(tmp_path, budget=10), TARGET, "pull", clock)
    costs.check(4)
    costs.spend(Lookups(reads=3))  # written, and not counted twice
    costs.check(1)
    costs.check(0)
    with pytest.raises(MonthlyBudgetError) as refused:
        costs.check(2)
    assert (refused.value.spent, refused.value.total, refused.value.budget) == (9, 11, 10)
    allowed = Costs(settings(tmp_path, budget=10), TARGET, "pull", clock, allowed=11)
    allowed.check(2)
    costs.close()


def test_without_a_budget_nobody_counts_beforehand(tmp_path: Path) -> None:
    assert Costs(settings(tmp_path), TARGET, "pull", Clock()).admit is None
    assert Costs(settings(tmp_path), TARGET, "pull", Clock(), allowed=5).admit is not None
