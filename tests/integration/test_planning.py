"""Planning against the emulator: what is read, what is decided, and that nothing is written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from leanplum_sync import emulator
from leanplum_sync.address import Subject
from leanplum_sync.client.calls import Calls
from leanplum_sync.client.credentials import EMULATOR_KEYS, Connection, KeyClass, Keys
from leanplum_sync.client.http import HttpTransport
from leanplum_sync.client.reader import Reader
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import RejectedError, SpecError, StalePlanError, StorageError
from leanplum_sync.operations.check import check
from leanplum_sync.operations.observing import Live, Recorded
from leanplum_sync.operations.plan import PlanRequest, make_plan
from leanplum_sync.planfile import PlanFile, open_plan
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.known import Known, Position
from leanplum_sync.planner.plan import Target
from leanplum_sync.progress import SilentProgress
from leanplum_sync.render.plan_words import nothing_to_do
from leanplum_sync.specs import load
from leanplum_sync.staging import Staging
from leanplum_sync.wire.action import Action

READ_KEYS = Keys.of(
    {each: EMULATOR_KEYS[each] for each in (KeyClass.DATA_EXPORT, KeyClass.CONTENT_READ_ONLY)}
)
TARGET = Target(environment="sandbox", host="127.0.0.1", app_id="app_emulator", is_emulator=True)
PROJECT = """
    apiVersion: leanplum-sync/v1
    kind: Project
    metadata: {name: test}
    spec: {specs: [specs], environments: {sandbox: {emulator: embedded}}}
"""


@dataclass
class Journal:
    """What a journal would know."""

    deliveries: Mapping[Subject, Known] = field(default_factory=dict)
    in_doubt: Mapping[Subject, float] = field(default_factory=dict)

    def known(self, app: str, subjects: Sequence[Subject]) -> Mapping[Subject, Known]:
        return {subject: self.deliveries[subject] for subject in subjects if subject in self.deliveries}

    def unsubscriptions(self, app: str, subjects: Sequence[Subject]) -> Mapping[Subject, Mapping[str, float]]:
        return {}

    def recipients(self, app: str, names: Sequence[str]) -> Mapping[str, int]:
        return {}

    def last_run(self) -> int:
        return 0

    def mark(self) -> None:
        return None

    def position(self, app: str, read_since: float | None = None) -> Position:
        return Position(0)

    def unsettled(self, app: str, settle_seconds: float, now: float) -> Mapping[Subject, float]:
        return self.in_doubt

    def rejected_before(self, app: str, actions: Mapping[Subject, Sequence[Action]]) -> frozenset[Subject]:
        return frozenset()


class Project:
    def __init__(self, root: Path, specs: str, data: Mapping[str, str] | None = None) -> None:
        self.root = root
        (root / "specs").mkdir(parents=True)
        (root / "leanplum-sync.yaml").write_text(textwrap.dedent(PROJECT))
        (root / "specs" / "all.yaml").write_text(textwrap.dedent(specs))
        for name, text in (data or {}).items():
            (root / name).write_text(textwrap.dedent(text).lstrip())

    def plan(
        self,
        url: str,
        *,
        journal: Journal | None = None,
        recorded: Path | None = None,
        reader: type[Reader] = Reader,
    ) -> PlanFile:
        loaded = load(self.root / "leanplum-sync.yaml")
        request = PlanRequest(
            target=TARGET,
            out=self.root / "a.lpplan",
            observed=Recorded(recorded, None) if recorded else Live(self.root / "seen.ndjson", 0, 4, None),
            budget={"sends": 0},
            sensitive=frozenset(),
            requests_per_second=20,
        )
        with Staging() as staging:
            check(loaded, staging, SilentProgress()).raise_if_any()
            made = make_plan(
                loaded,
                staging,
                request,
                reader=reader(Calls(Connection.to_emulator(url), READ_KEYS, HttpTransport(), SystemClock())),
                journal=journal or Journal(),
                clock=SystemClock(),
                progress=SilentProgress(),
            )
        return open_plan(made.path)


def user(user_id: str, **attributes: Any) -> dict[str, Any]:
    return {"userId": user_id, "userAttributes": attributes}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[str]:
    seed = tmp_path / "seed.ndjson"
    elements = [
        user("00004", vip="True", orders=3.0, tags=["a", "b"], points=5, age="35", visits=7),
        user("4", vip="False"),
        user("u1"),
        {
            "message": {
                "id": 17,
                "name": "Order delay",
                "active": True,
                "messageType": "Email",
                "delivery": "manual",
            }
        },
        {
            "message": {
                "id": 18,
                "name": "Resting",
                "active": False,
                "messageType": "Email",
                "delivery": "manual",
            }
        },
    ]
    seed.write_text("".join(json.dumps(element) + "\n" for element in elements))
    with emulator.running(seeds=[seed]) as running:
        yield running.url


def counts(url: str) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{url}/_emulator/counts", timeout=300).json()
    return found


def kinds(plan: PlanFile) -> list[tuple[str, str, str]]:
    return [(change.subject.id, change.kind.name, change.field) for change in plan.changes()]


AS_THEY_ARE = """
    apiVersion: leanplum-sync/v1
    kind: UserAttributes
    metadata: {name: same}
    spec:
      users: {inline: ["00004"]}
      attributes: {vip: true, orders: 3, tags: [b, a]}
"""


@pytest.mark.claim("attributes-compared")
def test_values_that_only_look_different_make_an_empty_plan(app: str, tmp_path: Path) -> None:
    with Project(tmp_path / "p", AS_THEY_ARE).plan(app) as plan:
        assert plan.summary.is_empty
        assert (plan.summary.listed, plan.summary.changed) == (1, 0)


def test_ids_that_differ_in_leading_zeros_are_two_users(app: str, tmp_path: Path) -> None:
    project = Project(tmp_path / "p", AS_THEY_ARE.replace('["00004"]', '["00004", "4"]'))
    with project.plan(app) as plan:
        assert {change.subject for change in plan.changes()} == {Subject.user("4")}


def test_planning_with_the_two_read_keys_writes_nothing(app: str, tmp_path: Path) -> None:
    specs = """
        apiVersion: leanplum-sync/v1
        kind: UserAttributes
        metadata: {name: tiers}
        spec:
          users: {file: ../users.csv, id: id}
          createUsers: true
          attributes: {tier: {column: tier}}
        ---
        apiVersion: leanplum-sync/v1
        kind: MessageSend
        metadata: {name: late}
        spec: {message: {name: Order delay}, recipients: {file: ../users.csv, id: id}, delivery: november}
    """
    project = Project(tmp_path / "p", specs, {"users.csv": "id,tier\n00004,gold\nu1,silver\nnew,gold\n"})
    with project.plan(app) as plan:
        assert plan.summary.count(ChangeKind.SEND) == 3
        assert plan.summary.created == 1
        assert [(each.name, each.count, each.is_over) for each in plan.hazards()][:2] == [
            ("sends", 3, True),
            ("createdUsers", 1, False),
        ]
        assert (plan.summary.cost.writes, plan.summary.cost.one_by_one, plan.summary.cost.separation) == (
            6,
            6,
            3,
        )
    seen = counts(app)
    assert seen["writes"] == 0
    assert seen["requests"]["byAction"] == {"exportUser": 3, "getMessages": 1}


def test_nobody_is_read_for_a_plan_that_can_not_be_written(app: str, tmp_path: Path) -> None:
    project = Project(tmp_path / "p", AS_THEY_ARE)
    (project.root / "a.lpplan").mkdir()
    with pytest.raises(StorageError, match="not a file"):
        project.plan(app)
    assert counts(app)["requests"]["byAction"] == {}


def test_every_form_plans_what_it_says(app: str, tmp_path: Path) -> None:
    specs = """
        apiVersion: leanplum-sync/v1
        kind: UserAttributes
        metadata: {name: forms}
        spec:
          users: {file: ../users.csv, id: id}
          attributes:
            literal: web
            tier: {column: band, map: {A: gold}, otherwise: bronze}
            vip: {value: false, when: absent}
            bonus: {from: points}
            age: {from: age, type: integer}
            tags: {add: [c], remove: [a]}
            visits: {increment: 2, once: may}
          profile: {country: DE, created: {column: since, type: date}}
    """
    project = Project(tmp_path / "p", specs, {"users.csv": "id,band,since\n00004,A,1970-01-02\n"})
    with project.plan(app) as plan:
        assert {(kind, name) for _, kind, name in kinds(plan)} == {
            ("SET", "literal"),
            ("SET", "tier"),
            ("RENAME", "bonus"),
            ("RENAMED_AWAY", "points"),
            ("CONVERT", "age"),
            ("TAKE_OUT", "tags"),
            ("ADD", "tags"),
            ("INCREMENT", "visits"),
            ("PROFILE", "country"),
            ("PROFILE", "created"),
        }
        first, second = plan.batches()
        assert first.actions[0].action.arguments == {
            "userId": "00004",
            "createDisposition": "CreateNever",
            "country": "DE",
            "created": 86400.0,
            "userAttributes": {"literal": "web", "tier": "gold", "bonus": 5, "points": None, "age": 35},
            "userAttributeValuesToRemove": {"tags": ["a"]},
            "userAttributeValuesToAdd": {"tags": ["c"]},
        }
        assert second.actions[0].action.arguments == {
            "userId": "00004",
            "createDisposition": "CreateNever",
            "userAttributeValuesToIncrement": {"visits": 2},
        }
        assert [key.name for key in second.actions[0].deliveries] == ["may/visits"]


@pytest.mark.claim("names-counted")
@pytest.mark.parametrize(("known", "expected"), [(398, []), (399, [("newAttributeNames", 2)])])
def test_new_attribute_names_near_the_apis_limit_are_a_hazard(
    known: int, expected: list[tuple[str, int]], app: str, tmp_path: Path
) -> None:
    attributes = {f"a{number}": 1 for number in range(known)}
    call = {"appId": "app_emulator", "clientKey": emulator.KEYS["production"], "action": "setUserAttributes"}
    for names in (list(attributes)[:200], list(attributes)[200:]):
        given = dict.fromkeys(names, 1)
        requests.post(f"{app}/api", json={**call, "userId": "u1", "userAttributes": given}, timeout=300)
    specs = """
        apiVersion: leanplum-sync/v1
        kind: UserAttributes
        metadata: {name: more}
        spec: {users: {inline: [u1]}, attributes: {a0: 2, new: 1, newer: 1}}
    """
    with Project(tmp_path / "p", specs).plan(app) as plan:
        hazards = {hazard.name: hazard.count for hazard in plan.hazards()}
    assert [item for item in hazards.items() if item[0] == "newAttributeNames"] == expected


def test_what_the_journal_delivered_is_not_planned_again(app: str, tmp_path: Path) -> None:
    specs = """
        apiVersion: leanplum-sync/v1
        kind: MessageSend
        metadata: {name: late}
        spec: {message: {id: 17}, recipients: {inline: ["00004", "u1"]}, delivery: november}
    """
    delivered = {Subject.user("u1"): Known({"november": "MessageSend/late"})}
    with Project(tmp_path / "p", specs).plan(app, journal=Journal(delivered)) as plan:
        assert kinds(plan) == [("00004", "SEND", "Order delay")]
        assert [(note.code, note.count, note.samples) for note in plan.notes()] == [("delivered", 1, ("u1",))]


def test_what_a_run_holds_is_not_planned_again_and_the_run_is_named(app: str, tmp_path: Path) -> None:
    specs = """
        apiVersion: leanplum-sync/v1
        kind: MessageSend
        metadata: {name: late}
        spec: {message: {id: 17}, recipients: {inline: ["u1"]}, delivery: november}
    """
    held = {Subject.user("u1"): Known({"november": "MessageSend/late"}, held={"november": 7})}
    with Project(tmp_path / "p", specs).plan(app, journal=Journal(held)) as plan:
        (note,) = plan.notes()
        assert (plan.summary.is_empty, note.code, note.count) == (True, "held", 1)
        assert note.sentence.startswith("has actions held by run 7: ")
        assert note.sentence.endswith("leanplum-sync resolve 7")
        assert nothing_to_do(plan.summary, plan.notes()).startswith("No changes possible")


def test_who_has_a_request_in_doubt_may_have_been_read_too_soon(app: str, tmp_path: Path) -> None:
    project = Project(tmp_path / "p", AS_THEY_ARE)
    with project.plan(app) as plan:
        assert plan.notes() == ()
        digest = plan.digest
    others = Subject.user("of another spec"), Subject.device("00004")
    in_doubt = dict.fromkeys(others, 1.8e9) | {Subject.user("00004"): 1.7e9 + 0.5}
    with project.plan(app, journal=Journal(in_doubt=in_doubt)) as plan:
        (note,) = plan.notes()
        assert (note.code, note.count, note.samples) == ("unsettled", 1, ("00004",))
        assert note.sentence == (
            "has a request in doubt, which may still change its live state: plan again after"
            " 2023-11-14 22:13:21 UTC"
        )
        assert nothing_to_do(plan.summary, plan.notes()) == "No changes: 1 listed user matches the specs."
        assert plan.digest == digest


def test_users_that_do_not_exist_are_left_alone_and_named(app: str, tmp_path: Path) -> None:
    project = Project(tmp_path / "p", AS_THEY_ARE.replace('["00004"]', '["nobody", "00004"]'))
    with project.plan(app) as plan:
        assert (plan.summary.missing, plan.summary.is_empty) == (1, True)
        assert [(note.code, note.samples) for note in plan.notes()] == [("missing", ("nobody",))]


def test_users_that_do_not_exist_are_not_called_as_desired_where_nothing_is_to_be_created(
    app: str, tmp_path: Path
) -> None:
    specs = """
        apiVersion: leanplum-sync/v1
        kind: UserAttributes
        metadata: {name: tidy}
        spec:
          users: {inline: [nobody, somebody]}
          createUsers: true
          attributes: {legacy: {state: absent}}
    """
    with Project(tmp_path / "p", specs).plan(app) as plan:
        assert nothing_to_do(plan.summary, plan.notes()) == "No changes: none of the 2 listed users exists."


@pytest.mark.claim("only-asserted")
@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("{name: Order delai}", 'Did you mean "Order delay"?'),
        ("{name: Resting}", "is not active"),
        ("{id: 99}", "does not exist"),
    ],
)
def test_a_message_that_can_not_be_sent_is_a_problem_of_the_spec(
    message: str, sentence: str, app: str, tmp_path: Path
) -> None:
    specs = f"""
        apiVersion: leanplum-sync/v1
        kind: MessageSend
        metadata: {{name: late}}
        spec: {{message: {message}, recipients: {{inline: ["u1"]}}, delivery: november}}
    """
    with pytest.raises(SpecError) as error:
        Project(tmp_path / "p", specs).plan(app)
    (problem,) = error.value.problems
    assert sentence in str(problem)
    assert str(problem).startswith("specs/all.yaml:5:")


TOKENS = """
    apiVersion: leanplum-sync/v1
    kind: PushTokens
    metadata: {name: tokens}
    spec:
      devices: {file: ../tokens.csv, id: device, user: user}
      token: {ios: {column: token}}
"""


def test_a_device_that_two_users_share_has_one_token(app: str, tmp_path: Path) -> None:
    one, other = "aa" * 32, "bb" * 32
    shared = f"device,user,token\nd1,u1,{one}\nd1,4,{one}\n"
    with Project(tmp_path / "p", TOKENS, {"tokens.csv": shared}).plan(app) as plan:
        assert plan.summary.count(ChangeKind.TOKEN) == 2
    torn = f"device,user,token\nd1,u1,{one}\nd2,u1,{other}\nd1,4,{other}\n"
    with pytest.raises(SpecError) as error:
        Project(tmp_path / "q", TOKENS, {"tokens.csv": torn}).plan(app)
    (problem,) = error.value.problems
    assert str(problem).startswith("tokens.csv:4: PushTokens/tokens: row 3: another user has this device")
    assert str(problem.also) == "tokens.csv:2"
    assert other not in str(problem)


class BlockedUser(Reader):
    """The API answers 451 for a user whose data was erased for good."""

    def export_user(self, subject: Subject, **options: Any) -> Mapping[str, Any]:
        if subject.id == "u1":
            raise RejectedError(
                "Leanplum refuses exportUser", status=451, reason="Unavailable For Legal Reasons"
            )
        return super().export_user(subject, **options)


def test_a_user_that_can_not_be_read_is_left_alone_and_named(app: str, tmp_path: Path) -> None:
    project = Project(tmp_path / "p", AS_THEY_ARE.replace('["00004"]', '["u1", "4"]'))
    with project.plan(app, reader=BlockedUser) as plan:
        assert {change.subject.id for change in plan.changes()} == {"4"}
        assert [(note.code, note.samples) for note in plan.notes()] == [("unreadable", ("u1",))]


def test_a_snapshot_that_lacks_a_user_is_refused(app: str, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot.ndjson"
    snapshot.write_text(json.dumps(user("u1")) + "\n")
    with pytest.raises(StalePlanError, match="lacks 1 of 1 listed users"):
        Project(tmp_path / "p", AS_THEY_ARE).plan(app, recorded=snapshot)


def test_what_was_read_again_is_as_old_as_the_last_reading(app: str, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot.ndjson"
    answers = [{**user("u1", tier="gold"), "observedAt": moment} for moment in (1000.0, 2000.0)]
    snapshot.write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    specs = AS_THEY_ARE.replace('inline: ["00004"]', "file: ../users.csv, id: id")
    project = Project(tmp_path / "p", specs, {"users.csv": "id\nu1\n"})
    with project.plan(app, recorded=snapshot) as plan:
        assert plan.header.observed_from == plan.header.observed_until == 2000.0


def test_the_digest_is_the_same_elsewhere_and_under_any_hash_seed(app: str, tmp_path: Path) -> None:
    specs = AS_THEY_ARE.replace("vip: true", "vip: false, b: {add: [x, y, z]}, c: 1.5, d: text")
    here = Project(tmp_path / "here", specs)
    with here.plan(app) as plan:
        digests = {plan.digest}
    for seed in ("1", "2"):
        there = tmp_path / f"there{seed}" / "deep"
        shutil.copytree(here.root, there)
        (there / "a.lpplan").unlink()
        shutil.move(there / "seen.ndjson", there / "copied.ndjson")
        script = (
            "import sys, pathlib; sys.path.insert(0, sys.argv[1]); import test_planning as t;"
            "p = t.Project.__new__(t.Project); p.root = pathlib.Path(sys.argv[2]);"
            "print(p.plan(sys.argv[3], recorded=p.root / 'copied.ndjson').digest)"
        )
        ran = subprocess.run(
            [sys.executable, "-c", script, str(Path(__file__).parent), str(there), app],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(ran.stdout.strip())
    assert len(digests) == 1
