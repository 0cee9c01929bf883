"""A project with a nightly sync of loyalty data, planned and applied by the library against an emulator, and others who change users."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import requests

from leanplum_sync import Plan, Project, Receipt, Recheck, apply, emulator, plan
from leanplum_sync.planfile import open_plan
from leanplum_sync.planner.change import Change
from leanplum_sync.project.model import Observe

PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: nightly}
spec:
  specs: [specs]
  environments: {production: {limits: {readInBatches: true}}}
  budget: {createdUsers: 1000, sends: 1000}
"""
SPEC = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: loyalty}
spec:
  users: {file: ../users.csv, id: id}
  attributes:
    tier: {column: tier}
    points: {column: points, type: integer}
    vip: {column: vip, type: boolean}
    old_tier: {state: absent}
  profile: {country: {column: country}}
"""
HEADER = "id,tier,points,vip,country\n"


def row(points: int, tier: str = "gold") -> dict[str, Any]:
    return {"tier": tier, "points": points, "vip": points % 2 == 0, "country": "DE"}


@dataclass(slots=True)
class Nightly:
    """*rows* are the desired values of users, by id."""

    root: Path
    url: str
    rows: dict[str, dict[str, Any]]
    plans: int = 0
    specs: dict[str, str] = field(default_factory=lambda: {"loyalty": SPEC})
    settings: str = ""  # more lines of the project's spec

    def project(self) -> Project:
        (self.root / "specs").mkdir(exist_ok=True)
        (self.root / "leanplum-sync.yaml").write_text(PROJECT + self.settings)
        for name, text in self.specs.items():
            (self.root / "specs" / f"{name}.yaml").write_text(text)
        lines = (
            f"{user},{each['tier']},{each['points']},{str(each['vip']).lower()},{each['country']}\n"
            for user, each in self.rows.items()
        )
        (self.root / "users.csv").write_text(HEADER + "".join(lines))
        return Project.load(self.root / "leanplum-sync.yaml")

    def plan(self, observe: Observe = Observe.JOURNAL, **options: Any) -> Plan:
        self.plans += 1
        options = {"out": self.root / f"{self.plans}.lpplan", **options}
        return plan(self.project(), observe=observe, **options)

    def apply(self, made: Plan, **options: Any) -> Receipt:
        return apply(
            made, **{"accept": made.over_budget, "new_journal": True, "recheck": Recheck.ON, **options}
        )

    def lookups(self) -> int:
        """Return the billable lookups so far, as the emulator counts them."""
        counted = requests.get(f"{self.url}/_emulator/counts", timeout=300).json()["billableLookups"]
        return int(counted["total"])

    def values(self) -> dict[str, Any]:
        """Return the profile of each user as the emulator has it."""
        dump = requests.get(f"{self.url}/_emulator/dump", timeout=300)
        return {
            each["userId"]: each for each in map(orjson.loads, dump.content.splitlines()) if "userId" in each
        }

    def set_by_others(self, user: str, attributes: Mapping[str, Any]) -> None:
        """Change a user as somebody else would: no run knows of it."""
        body = {
            "appId": emulator.APP_ID,
            "clientKey": emulator.KEYS["production"],
            "apiVersion": "1.0.6",
            "action": "setUserAttributes",
            "userId": user,
            "userAttributes": dict(attributes),
        }
        answer = requests.post(f"{self.url}/api", json=body, timeout=300).json()
        assert answer["response"][0]["success"], answer


def changes_of(made: Plan) -> list[Change]:
    with open_plan(made.path) as opened:
        return [change for subject in opened.subjects() for change in opened.changes_of([subject])[subject]]


def variables(url: str) -> dict[str, str]:
    return {
        "LEANPLUM_API_URL": url,
        "LEANPLUM_APP_ID": emulator.APP_ID,
        "LEANPLUM_PRODUCTION_KEY": emulator.KEYS["production"],
        "LEANPLUM_DATA_EXPORT_KEY": emulator.KEYS["data_export"],
        "LEANPLUM_CONTENT_READ_ONLY_KEY": emulator.KEYS["content_read_only"],
    }


@contextmanager
def nightly(
    root: Path, rows: Mapping[str, dict[str, Any]], others: Sequence[dict[str, Any]] = (), **options: Any
) -> Iterator[Nightly]:
    """Serve an app whose users are as desired, with *others* in its seed. The caller sets the ``variables``."""
    seed = root / "seed.ndjson"
    with seed.open("w") as file:
        file.writelines(json.dumps(each) + "\n" for each in others)
        for user, each in rows.items():
            attributes = {"tier": each["tier"], "points": each["points"], "vip": each["vip"]}
            file.write(
                json.dumps({"userId": user, "country": each["country"], "userAttributes": attributes}) + "\n"
            )
    with emulator.running(seeds=[seed], **options) as served:
        yield Nightly(root, served.url, dict(rows))
