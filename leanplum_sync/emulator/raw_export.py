"""Session records -> the files of the data export: JSON lines, or six CSV tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

# The key in a record for each column.
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
_STATE_COLUMNS = {
    "stateId": "stateId",
    "sessionId": "sessionId",
    "stateName": "name",
    "start": "time",
    "duration": "duration",
    "info": "info",
    "timeUntilFirstForUser": "timeUntilFirstForUser",
}
_EVENT_COLUMNS = {
    "eventId": "eventId",
    "stateId": "stateId",
    "sessionId": "sessionId",
    "eventName": "name",
    "start": "time",
    "value": "value",
    "info": "info",
    "timeUntilFirstForUser": "timeUntilFirstForUser",
}


def as_json_lines(records: Iterable[Any]) -> bytes:
    return b"".join(orjson.dumps(record) + b"\n" for record in records)


def as_csv(records: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Return the tables by the suffix of their files' names."""
    states = [{**state, "sessionId": record["sessionId"]} for record in records for state in record["states"]]
    events = [
        {**event, "stateId": state["stateId"], "sessionId": state["sessionId"]}
        for state in states
        for event in state["events"]
    ]
    return {
        "sessions-0": _table(_SESSION_COLUMNS, records),
        "states-0": _table(_STATE_COLUMNS, states),
        "events-0": _table(_EVENT_COLUMNS, events),
        "eventparameters-0": _rows(
            ["eventId", "name", "value"],
            ([event["eventId"], *item] for event in events for item in event.get("parameters", {}).items()),
        ),
        "experiments-0": _rows(
            ["experimentId", "sessionId", "variantId"],
            (
                [experiment["id"], record["sessionId"], experiment["variantId"]]
                for record in records
                for experiment in record["experiments"]
            ),
        ),
        "userattributes-0": _rows(
            ["sessionId", "name", "value"],
            ([record["sessionId"], *item] for record in records for item in record["userAttributes"].items()),
        ),
    }


def _table(columns: Mapping[str, str], records: Iterable[Mapping[str, Any]]) -> bytes:
    return _rows(list(columns), ([record.get(key) for key in columns.values()] for record in records))


def _rows(columns: list[str], rows: Iterable[list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return text.getvalue().encode()
