"""Write seed/*.ndjson: twelve fictional customers, and a message that their purchases trigger."""

import json
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
THANKS = {
    "id": 5670583287676928,
    "name": "Thanks for your order",
    "active": True,
    "messageType": "Push Notification",
    "delivery": "triggered",
    "serverTriggers": "Purchase",
    "created": 1705276800.0,
}


def main() -> None:
    users = [
        {"userId": f"customer-{n:02}", "created": 1705276800.0, "userAttributes": {}} for n in range(1, 13)
    ]
    write_lines("seed/messages.ndjson", [{"message": THANKS}])
    write_lines("seed/users.ndjson", users)


def write_lines(name: str, elements: Iterable[object]) -> None:
    (HERE / name).write_text("".join(json.dumps(element) + "\n" for element in elements))


if __name__ == "__main__":
    main()
