"""
Write seed/users.ndjson.gz: the app before the migration, one exportUser answer per line.

Everything except the orders is derived from a hash of the customer's id, so every run writes the same bytes.
"""

import csv
import datetime as dt
import gzip
import hashlib
import json
from pathlib import Path

HERE = Path(__file__).parent
IMPORTED = dt.datetime(2024, 1, 15, tzinfo=dt.UTC).timestamp()  # when the old import made these users
GENRES = ("rock", "jazz", "classical", "soundtracks")


def main() -> None:
    with (HERE / "data/customers.csv").open(newline="") as file:
        users = [user(row) for row in csv.DictReader(file) if not happens(row, "never signed in", 1)]
    lines = "".join(json.dumps(element) + "\n" for element in users)
    (HERE / "seed").mkdir(exist_ok=True)
    (HERE / "seed/users.ndjson.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))


def happens(row: dict[str, str], what: str, percent: int) -> bool:
    return pick(row, what, 100) < percent


def pick(row: dict[str, str], what: str, among: int) -> int:
    """Return 0 to *among* - 1, the same for the same customer and *what*, on every machine."""
    digest = hashlib.blake2b(f"{row['customer_id']} {what}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % among


def user(row: dict[str, str]) -> dict[str, object]:
    """A third were migrated by hand already. Of the others, each old habit shows on a part."""
    done = happens(row, "migrated", 33)
    return {
        "userId": row["customer_id"],
        "created": midnight(row["first_order"]) if done else IMPORTED,
        "lastActive": None,
        "totalSessions": 0,
        "timeSpentInApp": 0.0,
        "userAttributes": migrated(row) if done else legacy(row),
        "events": {},
        "states": {},
        "unsubscribeChannels": [],
        "devices": [],
    }


def migrated(row: dict[str, str]) -> dict[str, object]:
    return {
        "order_count": int(row["orders"]),
        "cd_count": int(row["cds"]),
        "spend_usd": float(row["spend_usd"]),
        "first_order": row["first_order"],
        "last_order": row["last_order"],
        "loyalty_tier": {"1": "new", "2": "returning", "3": "returning"}.get(row["orders"], "loyal"),
        "loyalty_points": points(row),
        "age": age(row),
        "signup_source": "web",
        "interests": ["music", *genres(row)],
    }


def legacy(row: dict[str, str]) -> dict[str, object]:
    attributes: dict[str, object] = {"age": str(age(row)), "points": points(row)}
    if happens(row, "counted", 50):
        attributes["order_count"] = max(1, int(row["orders"]) - pick(row, "missed", 3))
    if happens(row, "VIP", 20):
        attributes["legacy_vip"] = True
    if happens(row, "asked for its source", 25):
        attributes["signup_source"] = "shop"
    if genres(row):
        attributes["interests"] = genres(row)
    return attributes


def age(row: dict[str, str]) -> int:
    return 18 + pick(row, "age", 60)


def points(row: dict[str, str]) -> int:
    return 10 * int(row["cds"])


def genres(row: dict[str, str]) -> list[str]:
    return [genre for genre in GENRES if happens(row, genre, 25)]


def midnight(day: str) -> float:
    return dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC).timestamp()


if __name__ == "__main__":
    main()
