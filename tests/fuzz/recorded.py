"""Fuzzers of recorded users: snapshots, and seeds of the emulator."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from command import Ended, run
from data_files import compressed
from documents import outputs
from fuzzing import Fuzzer
from mutations import encoded, mutated_bytes, mutated_text, mutated_tree, scalar
from shop import ENVIRON, MESSAGE, PEOPLE, PROJECT, SECRETS, SEND, TOKENS, USERS, write_shop

from leanplum_sync.duck import connect
from leanplum_sync.emulator import EmulatorError, Switches
from leanplum_sync.emulator.seeds import load
from leanplum_sync.emulator.store import Store
from leanplum_sync.errors import SpecError
from leanplum_sync.observed import read

_ELEMENT: Final[dict[str, Any]] = {
    "success": True,
    "created": 1.7e9,
    "lastActive": 1.71e9,
    "totalSessions": 3,
    "timeSpentInApp": 12.5,
    "userBucket": 731,
    "events": {"buy": {"count": 2, "firstTime": 1.7e9, "lastTime": 1.71e9, "value": 3.5}},
    "states": {"main": {"count": 1, "firstTime": 1.7e9, "lastTime": 1.7e9}},
    "unsubscribeChannels": ["Email"],
    "unsubscribeCategories": [{"id": 5, "name": "News"}],
    "locale": "de_DE",
    "country": "DE",
    "city": "Ulm",
    "location": "48.4,10.0",
    "timezone": "Europe/Berlin",
    "timezoneOffsetSeconds": 3600,
    "anonymous": False,
    "blocked": False,
    "trafficSource": {"publisherName": "web"},
}
_WORDS: Final = (
    *_ELEMENT,
    *(
        "userId",
        "deviceId",
        "observedAt",
        "userAttributes",
        "devices",
        "warning",
        "error",
        "response",
        "message",
        "abTest",
    ),
    *(
        "u1",
        "d1",
        "email",
        "visits",
        "old_points",
        "iosPushToken",
        "systemName",
        "count",
        "firstTime",
        "value",
        "id",
        "name",
    ),
    *(
        "variable",
        "unsubscribeCategory",
        "campaign",
        "report",
        "postback",
        "newsfeedMessage",
        "androidNotificationChannel",
    ),
    {"message": "User not found"},
    {"id": 7},
    {"name": "x", "id": 8},
)
_NUMBERS: Final = (
    "1e308",
    "-1e400",
    "731e9999",
    "1E999999999999",
    "0.1e-99999",
    "18446744073709551616",
    "-0",
    "1" * 5000,
)


def lines_of(draw: random.Random, elements: list[Any]) -> bytes:
    """Return *elements* as NDJSON, mutated as values, as text or as bytes."""
    depth = draw.random()
    if depth < 0.7:
        elements = mutated_tree(draw, elements, _WORDS)
    ensure_ascii = draw.random() < 0.5
    text = "".join(
        f"{json.dumps(each, ensure_ascii=ensure_ascii)}\n"
        for each in (elements if isinstance(elements, list) else [elements])
    )
    if draw.random() < 0.1:
        text = _with_number(draw, text)
    if depth > 0.6:
        text = mutated_text(draw, text, _WORDS)
    content = encoded(draw, text) if depth > 0.8 else text.encode("utf-8", "surrogatepass")
    return mutated_bytes(draw, content) if depth > 0.85 else content


def _with_number(draw: random.Random, text: str) -> str:
    """Put a number into the text that Python can't spell."""
    places = [at for at in range(len(text) - 1) if text[at] == ":" and text[at + 2 : at + 3].isdigit()]
    if not places:
        return text
    at = draw.choice(places) + 1
    end = next(end for end in range(at + 1, len(text) + 1) if text[end : end + 1] in (",", "}", "]", ""))
    return f"{text[:at]} {draw.choice(_NUMBERS)}{text[end:]}"


class Snapshots(Fuzzer):
    name = "snapshots"
    secrets = SECRETS

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._connection = connect()

    def case(self, draw: random.Random, folder: Path, *, debug: bool) -> Iterator[Ended]:
        write_shop(folder, specs=draw.choice([(PEOPLE,), (PEOPLE, TOKENS, SEND)]))
        name = draw.choice(
            [
                "seen.ndjson",
                "seen.ndjson",
                "seen.ndjson.gz",
                "seen.ndjson.zst",
                "seen.parquet",
                "seen.json",
                "seen.csv",
            ]
        )
        path = folder / name
        path.write_bytes(self._content(draw, name))
        # Reading is most of it, and much faster than planning.
        try:
            for _ in read(path):
                pass
        except SpecError:
            if draw.random() < 0.8:
                return
        observed = ("--observed", name)
        match draw.randrange(8):
            case 0:
                yield run(folder, "drift", *observed, environ=ENVIRON, debug=debug)
            case 1 if name != "seen.parquet":
                yield run(folder, "pull", "u1", "device:d2", "--out", name, environ=ENVIRON, debug=debug)
            case 2:
                yield run(folder, "plan", *observed, "--max-age", "1h", environ=ENVIRON, debug=debug)
            case _:
                yield run(
                    folder,
                    "plan",
                    *observed,
                    *outputs(draw, ("json", "markdown", "html")),
                    environ=ENVIRON,
                    debug=debug,
                )
                if draw.random() < 0.2:
                    yield run(
                        folder,
                        "explain",
                        ".leanplum-sync/sandbox.lpplan",
                        "u1",
                        *observed,
                        environ=ENVIRON,
                        debug=debug,
                    )

    def _content(self, draw: random.Random, name: str) -> bytes:
        elements = [{**_ELEMENT, **user, "observedAt": 1.72e9 + number} for number, user in enumerate(USERS)]
        elements.append(
            {"userId": "u5", "success": True, "warning": {"message": "User not found"}, "observedAt": 1.72e9}
        )
        elements.append(
            {
                "deviceId": "d9",
                "success": True,
                "warning": {"message": "Device not found"},
                "observedAt": 1.72e9,
            }
        )
        if name == "seen.parquet":
            return self._parquet(draw, elements)
        return compressed(draw, name, lines_of(draw, elements))

    def _parquet(self, draw: random.Random, elements: list[dict[str, Any]]) -> bytes:
        rows = [
            [
                element.get("userId"),
                element.get("deviceId"),
                element["observedAt"],
                json.dumps(mutated_tree(draw, element, _WORDS)),
            ]
            for element in elements
        ]
        for row in rows:
            if draw.random() < 0.3:
                row[draw.randrange(4)] = draw.choice([None, "", "1e308", "nan", "u1", "[]", "-1", "0"])
        names = ["userId", "deviceId", "observedAt", "element"]
        if draw.random() < 0.2:
            names[draw.randrange(4)] = str(scalar(draw))[:50].replace("\x00", "") or "x"
        kinds = [
            "VARCHAR",
            "VARCHAR",
            draw.choice(["DOUBLE", "DOUBLE", "VARCHAR", "TIMESTAMP"]),
            draw.choice(["VARCHAR", "VARCHAR", "BLOB", "JSON"]),
        ]
        file = self.folder / "drawn.parquet"
        selected = ", ".join(
            f'TRY_CAST(row[{number}] AS {kind}) AS "{name.replace(chr(34), chr(34) * 2)}"'
            for number, (name, kind) in enumerate(zip(names, kinds, strict=True), start=1)
        )
        try:
            self._connection.execute(
                f"COPY (SELECT {selected} FROM (SELECT unnest(?::VARCHAR[][]) AS row)) TO '{file}' (FORMAT parquet)",
                [[[None if cell is None else str(cell).replace("\x00", "") for cell in row] for row in rows]],
            )
        except Exception:  # noqa: BLE001 - a name twice, or half a character: another draw
            return self._parquet(draw, elements)
        content = file.read_bytes()
        return mutated_bytes(draw, content) if draw.random() < 0.3 else content


class Seeds(Fuzzer):
    name = "seeds"
    secrets = SECRETS

    def case(self, draw: random.Random, folder: Path, *, debug: bool) -> Iterator[Ended]:
        things = [
            MESSAGE,
            {"abTest": {"id": 3, "name": "Price", "status": "RUNNING", "variants": [{"id": 1, "name": "A"}]}},
            {"variable": {"name": "speed", "kind": "integer", "defaultValue": 3}},
            {"unsubscribeCategory": {"id": 5, "name": "News"}},
        ]
        elements = [
            *things,
            *({**_ELEMENT, **user} for user in USERS),
            {"deviceId": "d8", "userAttributes": {"seen": 1}},
        ]
        content = lines_of(draw, elements)
        name = draw.choice(["users.ndjson", "users.ndjson", "users.ndjson.gz", "users.ndjson.zst"])
        project = self._project(name)
        write_shop(folder, project=project, specs=draw.choice([(PEOPLE,), (PEOPLE, TOKENS, SEND)]))
        path = folder / "seed" / name
        path.write_bytes(compressed(draw, name, content))
        store = Store(None)
        try:
            load(store, [path], Switches(), time.time)
        except EmulatorError:
            if draw.random() < 0.8:
                return
        finally:
            store.close()
        yield run(folder, "plan", *outputs(draw, ("json", "markdown", "html")), environ=ENVIRON, debug=debug)
        plan = ".leanplum-sync/sandbox.lpplan"
        if draw.random() < 0.3 and (folder / plan).exists():
            yield run(
                folder,
                "apply",
                plan,
                "--yes",
                *outputs(draw, ("json", "markdown")),
                environ=ENVIRON,
                debug=debug,
            )

    @staticmethod
    def _project(seed: str) -> bytes:
        project = json.loads(json.dumps(PROJECT))
        project["spec"]["environments"]["sandbox"]["seed"] = [f"seed/{seed}"]
        return json.dumps(project).encode()
