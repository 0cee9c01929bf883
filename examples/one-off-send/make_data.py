"""Write data/late-orders.csv and seed/*.ndjson: forty fictional readers whose order is late, and the message for them."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
NAMES = ("Ada", "Ben", "Chloe", "Dan", "Emma", "Finn", "Grace", "Hugo")
MESSAGE = {
    "id": 5670583287676928,
    "name": "Order delay",
    "active": True,
    "messageType": "Push Notification",
    "delivery": "manual",
    "created": 1705276800.0,
}


def main() -> None:
    with (HERE / "data/late-orders.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["user_id", "first_name", "order"])
        writer.writerows([f"reader-{n:04}", NAMES[n % 8], f"A-{20000 + 37 * n}"] for n in range(1, 41))
    # Reader 40 has an order but never opened the app.
    users = [
        {"userId": f"reader-{n:04}", "created": 1705276800.0, "userAttributes": {}} for n in range(1, 40)
    ]
    write_lines("seed/messages.ndjson", [{"message": MESSAGE}])
    write_lines("seed/users.ndjson", users)


def write_lines(name: str, elements: Iterable[object]) -> None:
    (HERE / name).write_text("".join(json.dumps(element) + "\n" for element in elements))


if __name__ == "__main__":
    main()
