"""Write data/*.csv and seed/*.ndjson: the fictional customers of a small shop, and what its app has in Leanplum already."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

HERE = Path(__file__).parent
CREATED = 1705276800.0
LEAVER, LEFT = 2, 1760000000.0  # one customer left the channel Email, in October 2025
OLD_POSTBACK = "https://crm.example.com/old-shop?key=OLD"
VARIABLES = {"shop.greeting": "Welcome", "oldShop": True}
TIERS = ("bronze", "silver", "gold")


def main() -> None:
    numbers = range(1, 25)
    write_rows(
        "customers.csv",
        ("customer", "email", "tier", "first_order"),
        ((name(n), f"{name(n)}@example.com", TIERS[n % 3], f"2024-{1 + n % 12:02}-{n:02}") for n in numbers),
    )
    write_rows(
        "devices.csv",
        ("device", "customer", "token", "voucher"),
        (
            (f"android-{n:02}", name(n), f"made-up-fcm-token-{n:04}", f"OPEN-{n * 7919 % 10000:04}")
            for n in numbers[:12]
        ),
    )
    write_rows(
        "choices.csv",
        ("customer", "email", "email_consent", "newsletter"),
        (
            (name(1), "no", "", "no"),
            (name(2), "yes", "2026-03-01", "yes"),
            (name(3), "no", "", "yes"),
            (name(4), "", "", "no"),
        ),
    )
    write_rows("erasures.csv", ("customer", "ticket"), ((name(30), "T-2026-117"),))
    users = [
        {
            "userId": name(n),
            "created": CREATED,
            "userAttributes": {"tier": "bronze", "points": n * 10},
            **(
                {
                    "unsubscribeChannels": ["Email"],
                    "events": {"Unsubscribe": {"count": 1, "firstTime": LEFT, "lastTime": LEFT}},
                }
                if n == LEAVER
                else {}
            ),
        }
        for n in (*numbers[:22], 30)
    ]
    write_lines("users.ndjson", users)
    message = {
        "id": 4711,
        "name": "Our new shop is open",
        "active": True,
        "delivery": "manual",
        "messageType": "Push Notification",
        "localTriggers": [],
        "serverTriggers": [],
        "created": CREATED,
    }
    write_lines(
        "app.ndjson",
        [
            {"message": message},
            {"unsubscribeCategory": {"id": 5, "name": "Newsletter"}},
            *({"variable": {"name": each, "value": value}} for each, value in VARIABLES.items()),
            {
                "androidNotificationChannel": {
                    "id": "orders",
                    "name": "Orders",
                    "importance": 4,
                    "default": True,
                }
            },
            {"postback": {"postbackId": 101, "type": "messageEvents", "postbackUrl": OLD_POSTBACK}},
        ],
    )


def name(n: int) -> str:
    return f"customer-{n:02}"


def write_rows(file: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with (HERE / "data" / file).open("w", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_lines(file: str, elements: Iterable[object]) -> None:
    (HERE / "seed" / file).write_text("".join(json.dumps(element) + "\n" for element in elements))


if __name__ == "__main__":
    main()
