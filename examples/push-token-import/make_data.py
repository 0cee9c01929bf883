"""
Write data/ios.csv, data/android.csv and seed/users.ndjson: sixty fictional devices and their users.

The tokens are counters, so that nobody mistakes them for real ones.
"""

import csv
import json
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
SIGNED_IN = 36  # of 40 iOS devices; the rest belong to nobody: the app was opened, no one signed in
CREATED = 1705276800.0
MODELS = ("iPhone 12", "iPhone 14", "iPhone SE")


def main() -> None:
    ios = [ios_device(number) for number in range(1, 41)]
    android = [android_device(number) for number in range(1, 21)]
    write_csv("data/ios.csv", ios)
    write_csv("data/android.csv", android)
    users = [*map(ios_user, ios[:SIGNED_IN]), *map(anonymous, ios[SIGNED_IN:]), *map(android_user, android)]
    write_lines("seed/users.ndjson", users)


def ios_device(number: int) -> dict[str, str]:
    return {
        "deviceId": f"ios-{number:04}",
        "userId": f"reader-{number:04}" if number <= SIGNED_IN else "",
        "iosPushToken": f"{number:08x}" * 8,
        "systemName": "iOS",
        "deviceModel": MODELS[number % 3],
    }


def android_device(number: int) -> dict[str, str]:
    return {
        "device": f"android-{number:04}",
        "reader": f"reader-{100 + number:04}",
        "fcm": f"made-up-fcm-token-{number:04}",
    }


def ios_user(device: dict[str, str]) -> dict[str, object]:
    """The first ten already have their token."""
    fields = ("deviceId", "iosPushToken", "systemName", "deviceModel")
    known = device["deviceId"] <= "ios-0010"
    return user(device["userId"], [{name: device[name] for name in fields}] if known else [])


def anonymous(device: dict[str, str]) -> dict[str, object]:
    return {"deviceId": device["deviceId"], "created": CREATED, "userAttributes": {}, "devices": []}


def android_user(device: dict[str, str]) -> dict[str, object]:
    return user(device["reader"], [{"deviceId": device["device"], "systemName": "Android OS"}])


def user(user_id: str, devices: list[dict[str, str]]) -> dict[str, object]:
    return {"userId": user_id, "created": CREATED, "userAttributes": {}, "devices": devices}


def write_csv(name: str, rows: list[dict[str, str]]) -> None:
    with (HERE / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_lines(name: str, elements: Iterable[object]) -> None:
    (HERE / name).write_text("".join(json.dumps(element) + "\n" for element in elements))


if __name__ == "__main__":
    main()
