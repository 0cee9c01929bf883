"""Reads what a plan says about itself. Whoever knows no key can write anything there, so every value is checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from leanplum_sync.address import SubjectKind
from leanplum_sync.encryption import Codec
from leanplum_sync.kinds.rows.source import KeptRows
from leanplum_sync.planfile.schema import opened_mask_key
from leanplum_sync.planner.audit import Audit, AuditBound, AuditGoal
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.known import JournalMark, Position
from leanplum_sync.planner.parts import Part
from leanplum_sync.planner.plan import PLAN_FORMAT, Cost, Header, Input, RowsRead, Scope, Summary, Target
from leanplum_sync.planner.triggers import Trigger
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.convert import END_OF_9999

T = TypeVar("T")

_COUNTS: Final = (
    "listed",
    "changed",
    "missing",
    "created",
    "batches",
    "actions",
    "assumed",
    "unseen",
    "things",
    "changed_things",
)
_COSTS: Final = (
    "reads",
    "writes",
    "recheck",
    "requests",
    "one_by_one",
    "by_action",
    "separation",
    "checks",
    "thing_checks",
)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LARGEST: Final = 1 << 53


def read_header(meta: Callable[[str], Any], codec: Codec) -> Header:
    """
    Return the header; *meta* returns the value of a key.

    Raises:
        ValueError, TypeError, KeyError: a value is missing, or not of its type.
    """
    app_id, environment, host, is_emulator, writes = meta("target")
    observed_from, observed_until = meta("observed")
    parts, part = meta("parts")
    run, unfinished = meta("position")
    return Header(
        format=PLAN_FORMAT,
        digest=text(meta("digest")),
        target=Target(
            environment=text(environment),
            host=text(host),
            app_id=text(app_id),
            is_emulator=is_emulator is True,
            writes=KeyClass(writes),
        ),
        created_at=_time(meta("created_at")),
        observed_from=_or_none(_time, observed_from),
        observed_until=_or_none(_time, observed_until),
        sensitive=frozenset(texts(meta("sensitive"))),
        mask_key=opened_mask_key(text(meta("mask_key")), codec),
        parts=_whole(parts),
        read_after_run=_or_none(_whole, meta("read_after_run")),
        scope=_or_none(_scope, meta("scope")),
        position=Position(
            _whole(run), {int(number): _whole(sent) for number, sent in _mapping(unfinished).items()}
        ),
        journal=_or_none(_mark, meta("journal")),
        journal_doubt=text(meta("journal_doubt")),
        part=_or_none(Part.parse, part),
    )


def read_summary(found: Any) -> Summary:
    """
    Raises:
        ValueError, TypeError, KeyError: as for ``read_header``.
    """
    found, cost = _mapping(found), _mapping(found["cost"])
    return Summary(
        **{name: _whole(found[name]) for name in _COUNTS},
        changes={ChangeKind(kind): _whole(count) for kind, count in _mapping(found["changes"]).items()},
        cost=Cost(**{name: _whole(cost[name]) for name in _COSTS}, seconds=seconds(cost["seconds"])),
        assumed_since=_or_none(_time, found["assumed_since"]),
        audit=_or_none(_audit, found["audit"]),
        triggers=tuple(map(_trigger, found["triggers"])),
        triggered=_whole(found["triggered"]),
        thing_kinds=frozenset(map(SubjectKind, texts(found["thing_kinds"]))),
        tested=texts(found["tested"]),
    )


def _trigger(kept: Any) -> Trigger:
    kept = _mapping(kept)
    return Trigger(
        _whole(kept["message"]),
        text(kept["name"]),
        texts(kept["events"]),
        _whole(kept["users"]),
        texts(kept["samples"]),
    )


def _audit(kept: Any) -> Audit:
    bound, goal = _mapping(kept["bound"]), _mapping(kept["goal"])
    counts = {name: _whole(bound[name]) for name in ("unseen", "sample", "differing", "most")}
    return Audit(
        AuditBound(**counts, confidence=_percent(bound["confidence"])),
        AuditGoal(_percent(goal["share"]), _percent(goal["confidence"])),
    )


def _percent(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 100:  # noqa: PLR2004 - percent
        raise TypeError("not a percentage")
    return float(value)


def read_rows(meta: Callable[[str], Any]) -> Mapping[str, RowsRead]:
    """
    Return, by ``kind/name``, the rows that came from connections.

    Raises:
        ValueError, TypeError, KeyError: as for ``read_header``.
    """
    origins = meta("origins")
    found = {}
    for name, (connection, query, parameters, digest, count) in meta("rows").items():
        sha256, read_at, server, versions = origins[name]
        if not _DIGEST.fullmatch(text(digest)):  # it is part of a file's name
            raise ValueError("not a digest")
        kept = KeptRows(
            digest,
            text(sha256),
            _whole(count),
            _time(read_at),
            text(server),
            dict(parameters),
            text_by_text(versions),
        )
        found[name] = RowsRead(text(connection), text(query), kept)
    return found


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError("not a list")
    return tuple(map(text, values))


def text_by_text(values: Any) -> Mapping[str, str]:
    return {key: text(value) for key, value in _mapping(values).items()}


def _scope(kept: Any) -> Scope:
    files, specs, select, exclude = kept
    return Scope(
        tuple(Input(text(path), text(sha256)) for path, sha256 in files),
        texts(specs),
        texts(select),
        texts(exclude),
    )


def _mark(kept: Any) -> JournalMark:
    journal, number = kept
    return JournalMark(text(journal), _whole(number))


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("not a mapping")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise TypeError("not a whole number")
    return value


def seconds(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= _LARGEST:
        raise TypeError("not a number of seconds")
    return float(value)


def _time(value: Any) -> float:
    if (time := seconds(value)) > END_OF_9999:
        raise ValueError("not a time")
    return time


def _or_none(read: Callable[[Any], T], value: Any) -> T | None:
    return None if value in (None, "") else read(value)
