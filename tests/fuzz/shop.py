"""The project that fuzzers start from: every kind and form, and a word of its own wherever no output may show one."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mutations import encoded, mutated_bytes, mutated_text, mutated_tree

KEYS: Final = {
    "LEANPLUM_PRODUCTION_KEY": "prod_kanariKeyProduction",
    "LEANPLUM_DATA_EXPORT_KEY": "exp_kanariKeyDataExport",
    "LEANPLUM_CONTENT_READ_ONLY_KEY": "cro_kanariKeyContent",
    "LEANPLUM_DEVELOPMENT_KEY": "dev_kanariKeyDevelopment",
}
PASSWORD: Final = "kanariPassword"
ENVIRON: Final = {
    **KEYS,
    "LEANPLUM_APP_ID": "app_fuzzed",
    "LEANPLUM_API_URL": "http://127.0.0.1:1",  # nobody listens there
    "SHOP_DATABASE": f"postgresql://shop:{PASSWORD}@127.0.0.1:1/journal",
}
SECRETS: Final = (*KEYS.values(), PASSWORD)
CELL: Final = "kanariCell"  # a part of values in data files
SENSITIVE: Final = "kanariSensitive"  # a part of values of the attribute email

PROJECT: Final[dict[str, Any]] = {
    "apiVersion": "leanplum-sync/v1",
    "kind": "Project",
    "metadata": {"name": "shop", "owner": "crm@example.com"},
    "spec": {
        "specs": ["specs"],
        "journal": {"env": "UNSET", "otherwise": ".leanplum-sync/journal.db"},
        "defaultEnvironment": "sandbox",
        "environments": {
            "sandbox": {
                "emulator": "embedded",
                "seed": ["seed/users.ndjson"],
                "budget": {"sends": 10, "createdUsers": 10},
            },
            "production": {
                "appId": {"env": "LEANPLUM_APP_ID"},
                "keys": {"production": "LEANPLUM_PRODUCTION_KEY", "dataExport": "LEANPLUM_DATA_EXPORT_KEY"},
                "budget": {
                    "sends": 0,
                    "changedUsers": 100,
                    "changedShare": 50,
                    "removals": 0,
                    "repeatedSends": 3,
                    "repeatedEvents": 3,
                },
                "limits": {
                    "requestsPerSecond": 1000,
                    "planHours": 24,
                    "leaseSeconds": 60,
                    "repeatedSendDays": 7.5,
                },
            },
        },
        "limits": {"concurrency": 2, "readInBatches": True},
        "sensitive": ["email", "phone"],
        "incrementReceipts": "last_increment",
        "budget": {"sends": 5},
        "moved": [
            {"from": "2026-10-hello", "to": "hello-2026"},
            {"from": "winter/visits", "to": "spring/visits"},
        ],
    },
}
PEOPLE: Final[dict[str, Any]] = {
    "apiVersion": "leanplum-sync/v1",
    "kind": "UserAttributes",
    "metadata": {"name": "loyalty", "owner": "crm@example.com", "description": "Tiers of 2026"},
    "spec": {
        "users": {"file": "../data/people.csv", "id": "id", "empty": ["NULL", "\\N"]},
        "createUsers": True,
        "attributes": {
            "newsletter": True,
            "email": {"column": "mail"},
            "orders": {"column": "orders", "type": "integer"},
            "spent": {"column": "spent", "type": "number"},
            "member": {"column": "member", "type": "boolean"},
            "since": {"column": "since", "type": "date"},
            "interests": {"column": "tags", "type": "list"},
            "tier": {"column": "band", "map": {"A": "gold", "B": "silver"}, "otherwise": "bronze"},
            "source": {"value": "web", "when": "absent"},
            "points": {"from": "old_points", "type": "integer"},
            "legacy": {"state": "absent"},
            "hobbies": {"add": ["running"], "remove": ["golf"]},
            "visits": {"increment": 1, "once": "spring"},
        },
        "profile": {
            "city": {"column": "city"},
            "created": {"column": "since", "type": "date"},
            "country": "DE",
        },
    },
}
TOKENS: Final[dict[str, Any]] = {
    "apiVersion": "leanplum-sync/v1",
    "kind": "PushTokens",
    "metadata": {"name": "tokens", "dependsOn": ["UserAttributes/loyalty"]},
    "spec": {
        "devices": {"file": "../data/people.csv", "id": "device", "user": "id"},
        "token": {"ios": {"column": "token"}},
        "attributes": {"systemName": "iOS", "deviceModel": {"column": "band"}},
    },
}
SEND: Final[dict[str, Any]] = {
    "apiVersion": "leanplum-sync/v1",
    "kind": "MessageSend",
    "metadata": {"name": "hello", "dependsOn": ["UserAttributes/loyalty"]},
    "spec": {
        "message": {"name": "Hello"},
        "recipients": {"inline": ["u1", {"id": "u2", "name": "Ann"}], "id": "id"},
        "values": {"first_name": {"column": "name"}, "delay": 3},
        "delivery": "hello-2026",
        "force": False,
    },
}
TOKEN: Final = "ca9a41" * 10 + "0000"
COLUMNS: Final = (
    "id",
    "mail",
    "orders",
    "spent",
    "member",
    "since",
    "tags",
    "band",
    "city",
    "device",
    "token",
)
ROWS: Final[tuple[dict[str, Any], ...]] = tuple(
    {
        "id": f"u{number}",
        "mail": f"{SENSITIVE}{number}@example.com",
        "orders": number * 3,
        "spent": number + 0.25,
        "member": number % 2 == 0,
        "since": f"2026-0{number}-15",
        "tags": [f"{CELL}{number}", "books"],
        "band": "ABC"[number % 3],
        "city": f"{CELL} City",
        "device": f"d{number}",
        "token": TOKEN[number:] + TOKEN[:number],
    }
    for number in range(1, 6)
)
MESSAGE: Final[dict[str, Any]] = {
    "message": {
        "id": 7,
        "name": "Hello",
        "active": True,
        "messageType": "Push Notification",
        "delivery": "manual",
    }
}
USERS: Final[tuple[dict[str, Any], ...]] = tuple(
    {
        "userId": f"u{number}",
        "created": 1705276800.0 + number,
        "userAttributes": {
            "email": f"{SENSITIVE}Seeded{number}@example.com",
            "old_points": 10 * number,
            "legacy": "yes",
            "hobbies": ["golf", "chess"],
            "visits": number,
        },
        "devices": [{"deviceId": f"d{number}", "systemName": "iOS", "iosPushToken": TOKEN}],
    }
    for number in range(1, 5)
)
WORDS: Final = (
    *(
        "column",
        "value",
        "from",
        "state",
        "add",
        "remove",
        "increment",
        "once",
        "map",
        "otherwise",
        "type",
        "when",
    ),
    *(
        "absent",
        "text",
        "integer",
        "number",
        "boolean",
        "date",
        "list",
        "id",
        "user",
        "file",
        "format",
        "delimiter",
        "inline",
    ),
    *(
        "empty",
        "csv",
        "ndjson",
        "parquet",
        "ios",
        "android",
        "web",
        "users",
        "devices",
        "recipients",
        "attributes",
        "profile",
    ),
    *(
        "token",
        "message",
        "values",
        "delivery",
        "force",
        "createUsers",
        "metadata",
        "name",
        "owner",
        "dependsOn",
        "spec",
    ),
    *(
        "kind",
        "apiVersion",
        "leanplum-sync/v1",
        "Project",
        "UserAttributes",
        "PushTokens",
        "MessageSend",
        "email",
        "country",
    ),
    *(
        "created",
        "lastActive",
        "UserAttributes/loyalty",
        "MessageSend/hello",
        "PushTokens/tokens",
        "../data/people.csv",
        "u1",
    ),
    *(";", ",", "\t", "spring", "hello-2026"),
)


def yaml_of(draw: random.Random, tree: Any, indent: int = 0) -> str:
    """Return *tree* as YAML, in the styles that people use and a few that they don't."""
    pad = "  " * indent
    if isinstance(tree, dict) and tree and draw.random() < 0.8 and indent < 40:
        return "".join(
            f"{pad}{_scalar(draw, key)}:{_below(draw, each, indent)}" for key, each in tree.items()
        )
    if isinstance(tree, list) and tree and draw.random() < 0.5 and indent < 40:
        return "".join(f"{pad}-{_below(draw, each, indent)}" for each in tree)
    return f"{pad}{_flow(draw, tree)}\n"


def _below(draw: random.Random, tree: Any, indent: int) -> str:
    text = yaml_of(draw, tree, indent + 1)
    return (
        f"\n{text}"
        if "\n" in text[:-1] or ": " in text[:40] or text.endswith(":\n")
        else f" {text.lstrip(' ')}"
    )


def _flow(draw: random.Random, tree: Any) -> str:
    match tree:
        case dict():
            return (
                "{"
                + ", ".join(f"{_scalar(draw, key)}: {_flow(draw, each)}" for key, each in tree.items())
                + "}"
            )
        case list():
            return "[" + ", ".join(_flow(draw, each) for each in tree) + "]"
        case _:
            return _scalar(draw, tree)


def _scalar(draw: random.Random, value: Any) -> str:
    match value:
        case None:
            return draw.choice(["null", "~", ""])
        case bool():
            return draw.choice(["true", "True"]) if value else "false"
        case int():
            return _digits(value)
        case float():
            return {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}.get(repr(value), repr(value))
        case _:
            text = str(value)
    if re.fullmatch(r"[A-Za-z./_][\w./ -]*", text) and draw.random() < 0.8:
        return text
    match draw.randrange(12):
        case 0:
            return "'" + text.replace("'", "''") + "'"
        case 1:
            return text  # as somebody forgets quotes
        case _:
            return json.dumps(text, ensure_ascii=draw.random() < 0.5)


def _digits(number: int) -> str:
    return str(number) if abs(number) < 10**4000 else "1" + "0" * 4000


def yaml_file(draw: random.Random, *trees: Any, words: Sequence[Any] = WORDS) -> bytes:
    """Return a file of documents, mutated as trees, as text or as bytes, or several of these."""
    changed = list(trees)
    depth = draw.random()
    if depth < 0.75:
        at = draw.randrange(len(changed))
        changed[at] = mutated_tree(draw, changed[at], words, times=draw.choice([0, 1, 1]))
        if draw.random() < 0.1:
            changed.insert(draw.randrange(len(changed) + 1), changed[draw.randrange(len(changed))])
    text = "---\n".join(yaml_of(draw, each) for each in changed)
    if depth > 0.7:
        text = mutated_text(draw, text, words)
    content = encoded(draw, text) if depth > 0.5 else text.encode("utf-8", "surrogatepass")
    return mutated_bytes(draw, content) if depth > 0.9 else content


def csv_of(rows: Sequence[dict[str, Any]], columns: Sequence[str] = COLUMNS) -> str:
    return "".join(
        ",".join(map(cell, line)) + "\n"
        for line in [columns, *([row[name] for name in columns] for row in rows)]
    )


def cell(value: Any) -> str:
    text = json.dumps(value) if isinstance(value, list | bool) else str(value)
    return '"' + text.replace('"', '""') + '"' if any(each in text for each in '",\n\r;') else text


def ndjson_of(elements: Sequence[Any]) -> str:
    return "".join(f"{json.dumps(each)}\n" for each in elements)


def write_shop(
    folder: Path,
    *,
    project: bytes | None = None,
    specs: Sequence[dict[str, Any]] = (PEOPLE, TOKENS, SEND),
    data: bool = True,
    seed: bytes | None = None,
) -> None:
    """Write the project to *folder*. What is given as bytes is mutated already."""
    for name in ("specs", "data", "seed"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "leanplum-sync.yaml").write_bytes(
        project if project is not None else json.dumps(PROJECT).encode()
    )
    if specs:
        (folder / "specs" / "all.yaml").write_text("\n---\n".join(map(json.dumps, specs)))
    if data:
        (folder / "data" / "people.csv").write_text(csv_of(ROWS))
    (folder / "seed" / "users.ndjson").write_bytes(
        seed if seed is not None else ndjson_of([MESSAGE, *USERS]).encode()
    )
