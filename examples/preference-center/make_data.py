"""
Write data/preferences.csv and seed/users.ndjson: forty fictional users and what they chose in a preference center.

The file is what a CRM exports every night: all choices, with the date of each consent to receive email again.
"""

import csv
import json
from pathlib import Path

HERE = Path(__file__).parent
CREATED = 1705276800.0
LEFT_2025 = 1760000000.0
LEFT_MAY_2026 = 1780000000.0
OPTED_OUT = range(1, 13)
OPTED_IN = range(13, 21)
LEFT_SINCE = range(17, 20)


def main() -> None:
    rows = [row(number) for number in range(1, 41)]
    with (HERE / "data" / "preferences.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    elements: list[object] = [
        {"unsubscribeCategory": {"id": 5, "name": "Newsletter"}},
        *map(user, range(1, 41)),
    ]
    (HERE / "seed" / "users.ndjson").write_text("".join(json.dumps(each) + "\n" for each in elements))


def row(number: int) -> dict[str, str]:
    """Most never said anything about email. Every tenth wants no newsletter."""
    return {
        "user_id": f"reader-{number:04}",
        "email": "no" if number in OPTED_OUT else "yes" if number in OPTED_IN else "",
        "email_consent": "2026-03-01" if number in OPTED_IN else "",
        "newsletter": "no" if number % 10 == 0 else "yes",
    }


def user(number: int) -> dict[str, object]:
    """4 of those who opted out did so in Leanplum, too. Of those who opted in again, 3 left later, and 1 is subscribed."""
    left = dict.fromkeys((*OPTED_OUT[:4], *OPTED_IN[:-1]), LEFT_2025) | dict.fromkeys(
        LEFT_SINCE, LEFT_MAY_2026
    )
    element: dict[str, object] = {"userId": f"reader-{number:04}", "created": CREATED, "userAttributes": {}}
    if number in left:
        event = {"count": 1, "firstTime": left[number], "lastTime": left[number]}
        element |= {"unsubscribeChannels": ["Email"], "events": {"Unsubscribe": event}}
    return element


if __name__ == "__main__":
    main()
