"""Session records -> the files of the data export: JSON lines, or six CSV tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

# The key in a session record for each column.
_SESSION_COLUMNS = {
    "sessionId": "sessionId",
    "userId": "userId",
    "userBucket": "userBucket",
    "userStart": "firstRun",
    "country": "country",
    "region": "region",
    "city": "city",
    "start": "time",
    "duration": "duration",
    "lat": "lat",
    "lon": "lon",
    "locale": "locale",
    "timezone": "timezone",
    "timezoneOffset": "timezoneOffsetSeconds",
    "appVersion": "appVersion",
    "client": "client",
    "sdkVersion": "sdkVersion",
    "osName": "systemName",
    "osVersion": "systemVersion",
    "deviceModel": "deviceModel",
    "browserName": "browserName",
    "browserVersion": "browserVersion",
    "deviceId": "deviceId",
    "priorEvents": "priorEvents",
    "priorSessions": "priorSessions",
    "priorTimeSpentInApp": "priorTimeSpentInApp",
    "priorStates": "priorStates",
    "isDeveloper": "isDeveloper",
    "isSession": "isSession",
    "sourcePublisherId": "sourcePublisherId",
    "sourcePublisher": "sourcePublisher",
    "sourceSubPublisher": "sourceSubPublisher",
    "sourceSite": "sourceSite",
    "sourceCampaign": "sourceCampaign",
    "sourceAdGroup": "sourceAdGroup",
    "sourceAd": "sourceAd",
}


def as_json_lines(records: Iterable[Any]) -> bytes:
    return b"".join(orjson.dumps(record) + b"\n" for record in records)


def as_csv(records: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Return the tables by the suffix of their files' names."""
    states = [(record["sessionId"], state) for record in records for state in record["states"]]
    events = [(session_id, state, event) for session_id, state in states for event in state["events"]]
    return {
        "sessions-0": _table(
            list(_SESSION_COLUMNS),
            ([record.get(key) for key in _SESSION_COLUMNS.values()] for record in records),
        ),
        "states-0": _table(
            ["stateId", "sessionId", "stateName", "start", "duration", "info", "timeUntilFirstForUser"],
            (
                [
                    state["stateId"],
                    session_id,
                    state.get("name"),
                    state["time"],
                    state["duration"],
                    state.get("info"),
                    state.get("timeUntilFirstForUser"),
                ]
                for session_id, state in states
            ),
        ),
        "events-0": _table(
            [
                "eventId",
                "stateId",
                "sessionId",
                "eventName",
                "start",
                "value",
                "info",
                "timeUntilFirstForUser",
            ],
            (
                [
                    event["eventId"],
                    state["stateId"],
                    session_id,
                    event["name"],
                    event["time"],
                    event["value"],
                    event.get("info"),
                    event.get("timeUntilFirstForUser"),
                ]
                for session_id, state, event in events
            ),
        ),
        "eventparameters-0": _table(
            ["eventId", "name", "value"],
            (
                [event["eventId"], name, value]
                for _, _, event in events
                for name, value in event.get("parameters", {}).items()
            ),
        ),
        "experiments-0": _table(
            ["experimentId", "sessionId", "variantId"],
            (
                [experiment["id"], record["sessionId"], experiment["variantId"]]
                for record in records
                for experiment in record["experiments"]
            ),
        ),
        "userattributes-0": _table(
            ["sessionId", "name", "value"],
            (
                [record["sessionId"], name, value]
                for record in records
                for name, value in record["userAttributes"].items()
            ),
        ),
    }


def _table(columns: list[str], rows: Iterable[list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return text.getvalue().encode()
