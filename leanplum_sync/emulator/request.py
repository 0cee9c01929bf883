"""Turns an HTTP request into a call: its actions, app and key. Arguments may be in the query or in the body."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson

from leanplum_sync.emulator.arguments import Arguments, number, unpacked
from leanplum_sync.emulator.csv_rows import rows
from leanplum_sync.emulator.errors import RefusedError, invalid
from leanplum_sync.emulator.switches import Switches

# Arguments of the envelope that the actions of a multi inherit.
_INHERITED = ("devMode", "client", "sdkVersion")


@dataclass(frozen=True, slots=True)
class Call:
    """A parsed request. A single action is a call of one; *time* is None where the request gave none."""

    action: str
    app_id: str | None
    key: str | None
    api_version: str | None
    time: float | None
    uuid: str | None
    is_sdk: bool
    actions: tuple[Arguments, ...]
    envelope: Arguments
    files: dict[str, bytes] = field(default_factory=dict)
    csv: str | None = None
    base_url: str = ""

    @property
    def is_multi(self) -> bool:
        """Whether the response has one element for each action in ``data``."""
        return self.action == "multi" and not self.is_job

    @property
    def is_job(self) -> bool:
        return self.action == "multi" and self.envelope.flag("createJob")


def read(query: str, content_type: str, body: bytes, switches: Switches) -> Call:
    """
    Return the call that a request makes. The body takes precedence over the query.

    Raises:
        RefusedError: the body, ``data`` or ``time`` can't be understood.
    """
    given: dict[str, Any] = dict(parse_qsl(query))
    fields, files, csv = _body(content_type, body)
    given |= {name: value for name, value in fields.items() if value is not None}
    envelope = Arguments(given, lenient=switches.lenient_syntax)
    time = given.get("time")
    action = envelope.text("action") or ""
    return Call(
        action=action,
        app_id=envelope.text("appId"),
        key=envelope.text("clientKey"),
        api_version=envelope.text("apiVersion"),
        time=number(time, "time") if time is not None and action == "multi" else None,
        uuid=envelope.text("uuid"),
        is_sdk=switches.sdk_exempt and "sdkVersion" in envelope,
        actions=_actions(envelope, csv, switches),
        envelope=envelope,
        files=files,
        csv=csv,
    )


def _body(content_type: str, body: bytes) -> tuple[dict[str, Any], dict[str, bytes], str | None]:
    """Return the body's arguments, its files and its CSV text. The content counts more than the Content-Type."""
    kind = content_type.partition(";")[0].strip().lower()
    stripped = body.lstrip()
    if not stripped:
        return {}, {}, None
    if kind == "multipart/form-data":
        return *_multipart(content_type, body), None
    if kind == "text/csv":
        return {}, {}, body.decode("utf-8", errors="replace")
    if stripped[:1] == b"{":
        return _json_object(stripped), {}, None
    if stripped[:1] == b"[":
        return {"data": _json(stripped)}, {}, None
    return dict(parse_qsl(body.decode("utf-8", errors="replace"))), {}, None


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RefusedError("The request body is not valid JSON.", 400) from None


def _json_object(body: bytes) -> dict[str, Any]:
    value = _json(body)
    assert isinstance(value, dict)  # noqa: S101 (it began with a brace)
    return value


def _multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return a form's fields, and its files by field name."""
    found = re.search(r'boundary="?([^";]+)"?', content_type)
    if found is None:
        raise RefusedError("The multipart body has no boundary.", 400)
    fields: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + found[1].encode())[1:]:
        head, separator, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'[; ]name="?([^";\r\n]+)"?', head)
        if not separator or name is None:
            continue
        key = name[1].decode("utf-8", errors="replace")
        if re.search(rb"[; ]filename=", head):
            files[key] = content
        else:
            fields[key] = content.decode("utf-8", errors="replace")
    return fields, files


def _actions(envelope: Arguments, csv: str | None, switches: Switches) -> tuple[Arguments, ...]:
    if envelope.text("action") != "multi" or envelope.flag("createJob"):
        return (envelope,)
    lenient = switches.lenient_syntax
    if csv is not None and switches.inline_csv:
        return tuple(Arguments(row, lenient=lenient) for row in rows(csv, envelope.text("defaultAction")))
    data = envelope.given.get("data")
    for _ in range(3):  # text, an object around the list (as SDKs send it), and text again
        if isinstance(data, str):
            data = unpacked(data, lenient=lenient)
        elif isinstance(data, dict):
            data = data.get("data")
    if data is None:
        return ()
    if not isinstance(data, list):
        raise invalid("data")
    inherited = {name: envelope.given[name] for name in _INHERITED if name in envelope}
    return tuple(
        Arguments({**inherited, **item} if isinstance(item, dict) else inherited, lenient=lenient)
        for item in data
    )
