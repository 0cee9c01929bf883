"""A plan file gives back what was planned, or says that it can't be trusted."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from searching import examples

from leanplum_sync.address import ResourceAddress, Subject
from leanplum_sync.encryption import KEY_VARIABLE, SealingKeys, new_key
from leanplum_sync.errors import CredentialError, StalePlanError, StorageError
from leanplum_sync.kinds.rows.desires import Send, SetAttribute, Want
from leanplum_sync.planfile import PlanFile, PlanWriter, open_plan
from leanplum_sync.planfile.schema import compute_checksum, compute_digest
from leanplum_sync.planner.decide import SendTarget
from leanplum_sync.planner.known import NOTHING_KNOWN
from leanplum_sync.planner.parts import Part
from leanplum_sync.planner.plan import Cost, Input, Summary, Target
from leanplum_sync.planner.subject import Context, SubjectAction, SubjectPlan, plan_subject
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Action, DeliveryClass
from leanplum_sync.wire.profile import Profile

ADDRESS = ResourceAddress("UserAttributes", "tiers")
CONTEXT = Context({ADDRESS: 0}, {ADDRESS: SendTarget(17, "Hello")})
TARGET = Target(environment="production", host="api.leanplum.com", app_id="app_1", is_emulator=False)
EMPTY_PROFILE = Profile(exists=True, attributes={}, fields={}, devices={})


def planned(user: str, value: object) -> SubjectPlan:
    place = Place("data.csv", 2, None, 1)
    desires = (
        SetAttribute("tier", value, Place("a.yaml", 3, 1)),
        Send("may", {}, force=False, asked_at=place),
    )
    want = Want(ADDRESS, Subject.user(user), create=False, found_at=place, desires=desires)
    return plan_subject([want], EMPTY_PROFILE, NOTHING_KNOWN, CONTEXT)


def write(
    path: Path,
    plans: list[SubjectPlan],
    created_at: float = 0.0,
    target: Target = TARGET,
    keys: SealingKeys | None = None,
    *,
    parts: int = 1,
) -> str:
    with PlanWriter(path, keys, parts=parts) as writer:
        for plan in plans:
            writer.add(plan)
        packed = writer.pack()
        cost = Cost(0, packed.lookups, 0, packed.requests, packed.actions, packed.lookups_by_action, 0, 0.0)
        summary = Summary(len(plans), len(plans), 0, 0, {}, packed.requests, packed.actions, cost)
        return writer.finish(
            target=target,
            created_at=created_at,
            observed=(None, None),
            sensitive=["email"],
            inputs=[Input("a.yaml", "00")],
            hazards=[],
            notes=[],
            summary=summary,
        )


USERS = [f"{number:05d}" for number in range(120)]


@pytest.fixture(scope="module")
def plan_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "a.lpplan"
    write(path, [planned(user, "secret-gold") for user in USERS])
    return path


@pytest.fixture
def plan(plan_path: Path) -> Iterator[PlanFile]:
    with open_plan(plan_path) as opened:
        yield opened


def test_batches_come_back_in_classes_with_numbers_without_a_gap(plan: PlanFile) -> None:
    batches = list(plan.batches())
    assert [batch.delivery_class for batch in batches] == [DeliveryClass.REPEATABLE] * 3 + [
        DeliveryClass.ONCE
    ] * 3
    assert [batch.number for batch in batches] == [1, 2, 3, 4, 5, 6]
    assert [action.number for batch in batches for action in batch.actions] == list(range(1, 241))
    assert [len(batch.subjects) for batch in batches] == [50, 50, 20] * 2


def test_no_batch_crosses_a_part_and_each_part_has_its_users_to_itself(tmp_path: Path) -> None:
    write(tmp_path / "a.lpplan", [planned(user, 1) for user in USERS], parts=4)
    with open_plan(tmp_path / "a.lpplan") as plan:
        assert plan.header.parts == 4
        seen: set[Subject] = set()
        for part in (Part(1, 4), Part(2, 4), Part(2, 2)):
            subjects = {subject for batch in plan.batches(part) for subject in batch.subjects}
            assert (
                subjects == set(plan.subjects(part)) == {each for each in plan.subjects() if part.holds(each)}
            )
            assert not subjects & seen
            seen |= subjects
        assert seen == set(plan.subjects())
        assert [batch.number for batch in plan.batches()] == list(range(1, plan.summary.batches + 1))


def test_a_user_with_more_actions_than_a_batch_holds_gets_several_in_order(tmp_path: Path) -> None:
    large = planned("00001", 1)
    actions = tuple(
        SubjectAction(Action("setUserAttributes", {"userId": "00001", "userAttributes": {"tier": number}}))
        for number in range(1_200)
    )
    write(tmp_path / "a.lpplan", [replace(large, actions={(0, DeliveryClass.REPEATABLE): actions})])
    with open_plan(tmp_path / "a.lpplan") as plan:
        batches = list(plan.batches())
    assert [len(batch.actions) for batch in batches] == [500, 500, 200]
    sent = [each.action.arguments["userAttributes"]["tier"] for batch in batches for each in batch.actions]
    assert sent == list(range(1_200))


def test_changes_of_one_subject_are_its_own(plan: PlanFile) -> None:
    subject = Subject.user("00007")
    assert {change.subject for change in plan.changes_of([subject])[subject]} == {subject}
    assert plan.changes_of([Subject.user("7")]) == {}


def test_the_plan_file_is_its_owners_only(plan_path: Path) -> None:
    assert plan_path.stat().st_mode & 0o777 == 0o600


def test_the_digest_does_not_depend_on_the_time(tmp_path: Path) -> None:
    plans = [planned("00001", 1.5)]
    assert write(tmp_path / "a", plans, created_at=1.0) == write(tmp_path / "b", plans, created_at=2.0)


def test_the_digest_tells_values_users_and_environments_apart(tmp_path: Path) -> None:
    staging = Target(environment="staging", host="api.leanplum.com", app_id="app_1", is_emulator=False)
    digests = [
        write(tmp_path / "a", [planned("00004", "gold")]),
        write(tmp_path / "b", [planned("4", "gold")]),
        write(tmp_path / "c", [planned("00004", "silver")]),
        write(tmp_path / "d", [planned("00004", "gold")], target=staging),
    ]
    assert len(set(digests)) == 4


def test_a_plan_that_fails_in_the_making_leaves_nothing(tmp_path: Path) -> None:
    def cut_short() -> None:
        with PlanWriter(tmp_path / "a") as writer:
            writer.add(planned("00001", 1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        cut_short()
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_a_plan_stays_one(tmp_path: Path) -> None:
    (tmp_path / "latest.lpplan").symlink_to(tmp_path / "monday.lpplan")
    digest = write(tmp_path / "latest.lpplan", [planned("u1", "gold")])
    assert (tmp_path / "latest.lpplan").is_symlink()
    with open_plan(tmp_path / "monday.lpplan") as plan:
        assert plan.digest == digest


def test_no_plan_takes_the_place_of_a_device_or_goes_in_circles(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(StorageError, match=r"not a file.*--out"):
        PlanWriter(tmp_path / "pipe")
    with pytest.raises(StorageError, match="can't be written"):
        PlanWriter(tmp_path / "circle")
    assert (tmp_path / "pipe").is_fifo()


def test_a_plan_that_can_not_be_written_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/a: the plan can't be written"):
        PlanWriter(tmp_path / "file" / "a")


@pytest.mark.parametrize("content", [b"", b"{}", b"SQLite format 3\x00", bytes(5000)])
def test_what_is_no_plan_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.lpplan"
    path.write_bytes(content)
    with pytest.raises(StalePlanError, match=r"a\.lpplan"):
        open_plan(path)


def test_a_changed_value_is_noticed(plan_path: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(plan_path, tmp_path))
    with sqlite3.connect(copy) as connection:
        connection.execute(
            "UPDATE action SET arguments = replace(arguments, 'gold', 'iron') WHERE number = 1"
        )
    connection.close()
    with pytest.raises(StalePlanError, match="this plan was changed after it was written"):
        open_plan(copy)


def test_another_number_of_an_action_is_noticed(plan_path: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(plan_path, tmp_path))
    with sqlite3.connect(copy) as connection:
        connection.execute("UPDATE action SET number = 1000 WHERE number = 240")
    connection.close()
    with pytest.raises(StalePlanError, match="this plan was changed after it was written"):
        open_plan(copy)


def test_a_flipped_bit_in_the_index_of_changes_is_noticed(plan_path: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(plan_path, tmp_path))
    with sqlite3.connect(copy) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'change_by_subject'"
        ((root,),) = connection.execute(query)
        ((page_size,),) = connection.execute("PRAGMA page_size")
    connection.close()
    damaged = bytearray(copy.read_bytes())
    at = damaged.index(b"user:00007", (root - 1) * page_size)
    damaged[at + 9] ^= 1
    copy.write_bytes(damaged)
    with pytest.raises(StalePlanError, match="this plan was changed after it was written"):
        open_plan(copy)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_are_noticed_or_change_nothing(
    data: st.DataObject, plan_path: Path, tmp_path: Path
) -> None:
    whole = plan_path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    damage = data.draw(st.binary(min_size=1, max_size=40))
    copy = tmp_path / "damaged.lpplan"
    copy.write_bytes(whole[:at] + damage + whole[at + len(damage) :])
    try:
        with open_plan(copy) as damaged, open_plan(plan_path) as plan:
            assert list(damaged.batches()) == list(plan.batches())
            assert list(damaged.changes()) == list(plan.changes())
            everybody = list(plan.subjects())
            assert damaged.changes_of(everybody) == plan.changes_of(everybody)
            assert (damaged.header, damaged.summary, damaged.hazards()) == (
                plan.header,
                plan.summary,
                plan.hazards(),
            )
    except StalePlanError:
        pass


def keys(*texts: str) -> SealingKeys:
    return SealingKeys.from_environment({KEY_VARIABLE: ",".join(texts)})


KEY = new_key()


@pytest.fixture(scope="module")
def sealed_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sealed") / "a.lpplan"
    write(path, [planned(user, "secret-gold") for user in USERS], keys=keys(KEY))
    return path


def test_a_sealed_plan_reads_like_one_that_is_not(sealed_path: Path, plan: PlanFile) -> None:
    subject = Subject.user("00007")
    with open_plan(sealed_path, keys(KEY)) as sealed:
        assert list(sealed.changes()) == list(plan.changes())
        assert list(sealed.batches()) == list(plan.batches())
        assert sealed.cohorts() == plan.cohorts()
        assert sealed.changes_of([subject]) == plan.changes_of([subject])
        assert sealed.summary == plan.summary
        assert sealed.header.sensitive == plan.header.sensitive


def test_no_value_stands_in_a_sealed_plan(sealed_path: Path, plan_path: Path) -> None:
    assert b"secret-gold" in plan_path.read_bytes()
    assert b"secret-gold" not in sealed_path.read_bytes()


def test_no_value_stands_in_a_sealed_plan_in_the_making(tmp_path: Path) -> None:
    with PlanWriter(tmp_path / "a", keys(KEY)) as writer:
        for user in USERS:
            writer.add(planned(user, "secret-gold"))
        writer.pack()
        writer._connection.execute("COMMIT")
        assert b"secret-gold" not in (tmp_path / "a.part").read_bytes()


@pytest.mark.parametrize("held", [(), (new_key(),)], ids=["no key", "another key"])
def test_a_sealed_plan_is_not_opened_without_its_key(sealed_path: Path, held: tuple[str, ...]) -> None:
    with pytest.raises(CredentialError, match=r"a\.lpplan: this plan is encrypted with the key"):
        open_plan(sealed_path, keys(*held))


def test_a_key_of_today_opens_no_less_than_the_keys_before_it(sealed_path: Path) -> None:
    with open_plan(sealed_path, keys(new_key(), KEY)) as sealed:
        assert len(list(sealed.changes())) == 240


def test_with_a_key_a_plan_that_was_made_without_one_is_refused(plan_path: Path) -> None:
    with pytest.raises(StalePlanError, match="is set, but this plan was made without a key"):
        open_plan(plan_path, keys(KEY))


def test_a_sealed_plans_digest_is_the_same_each_time_under_one_key_and_no_hash_of_its_values(
    tmp_path: Path,
) -> None:
    plans = [planned("00001", "gold")]
    digests = [
        write(tmp_path / str(number), plans, keys=held)
        for number, held in enumerate([keys(KEY), keys(KEY), keys(new_key()), keys()])
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE change SET before = (SELECT after FROM change WHERE id = 1) WHERE id = 1",
        "UPDATE change SET after = (SELECT after FROM change WHERE id = 3) WHERE id = 1",
        "UPDATE action SET arguments = (SELECT arguments FROM action WHERE number = 2) WHERE number = 1",
        "UPDATE change SET subject = 'user:00002' WHERE id = 1",
        "UPDATE change SET after = '1' WHERE id = 1",
        "DELETE FROM meta WHERE key = 'encryption'",
        "DELETE FROM action WHERE number = 240",
        "UPDATE meta SET value = '[]' WHERE key = 'sensitive'",
    ],
)
def test_who_has_not_the_key_changes_nothing_unnoticed(
    sealed_path: Path, tmp_path: Path, change: str
) -> None:
    """Also not by computing the digest and the checksum again."""
    copy = Path(shutil.copy(sealed_path, tmp_path))
    with sqlite3.connect(copy) as connection:
        connection.execute(change)
        recount(connection)
    connection.close()
    with pytest.raises(StalePlanError, match=r"a\.lpplan"):
        open_plan(copy, keys(KEY))


def recount(connection: sqlite3.Connection) -> None:
    for name, compute in (("digest", compute_digest), ("checksum", compute_checksum)):
        try:
            value = json.dumps(compute(connection))
        except TypeError:  # a blob: without the key there is no text to count over
            continue
        connection.execute("UPDATE meta SET value = ? WHERE key = ?", (value, name))
