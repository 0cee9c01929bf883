"""
JSON Schema of the documents that go to stdout, of the lines of `-o ndjson`, and of those of a run's log.

A field may be added within a version; what is here stays and keeps its meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, TypeAlias

from leanplum_sync.journal.entry import BatchState, DeliveryState, Fate, Resolution, RunState
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.decide import Reason
from leanplum_sync.planner.differences import Difference
from leanplum_sync.wire.action import DeliveryClass

Schema: TypeAlias = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Final[Schema] = {"type": "string"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_REAL: Final[Schema] = {"type": "number", "minimum": 0}
_FLAG: Final[Schema] = {"type": "boolean"}
_TIME: Final[Schema] = {"type": ["string", "null"], "format": "date-time"}
_VALUE: Final[Schema] = {
    "description": 'Any JSON; {"sensitive": fingerprint} in the place of what is masked.'
}


def _record(fields: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(fields), "required": list(fields)}


def _several(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _one_of(words: Iterable[StrEnum]) -> Schema:
    return {"enum": [word.value for word in words]}


def _counts(words: Iterable[StrEnum]) -> Schema:
    return {
        "type": "object",
        "propertyNames": {"enum": [word.value for word in words]},
        "additionalProperties": _COUNT,
    }


_TARGET: Final = _record({"environment": _TEXT, "host": _TEXT, "appId": _TEXT, "isEmulator": _FLAG})
_PLACE: Final = _record(
    {"file": _TEXT, "line": _maybe(_COUNT), "column": _maybe(_COUNT), "row": _maybe(_COUNT)}
)
_EXCEPTION: Final = _record(
    {"batch": _COUNT, "action": _COUNT, "subject": _TEXT, "fate": _one_of(Fate), "message": _TEXT}
)
_RUN: Final = {
    "run": _COUNT,
    "appId": _TEXT,
    "environment": _TEXT,
    "part": _TEXT,
    "planDigest": _TEXT,
    "state": _one_of(RunState),
    "batches": _COUNT,
    "actions": _COUNT,
    "startedAt": _TIME,
    "endedAt": _TIME,
}
_VERIFICATION: Final = _record(
    {
        "checked": _COUNT,
        "equal": _COUNT,
        "different": _COUNT,
        "unread": _COUNT,
        "unproven": _COUNT,
        "again": _COUNT,
        "isProof": _FLAG,
        "differing": _several(_record({"subject": _TEXT, "fields": _several(_TEXT)})),
    }
)
_PLAN: Final = {
    "digest": _TEXT,
    "target": _TARGET,
    "createdAt": _TIME,
    "observedFrom": _TIME,
    "observedUntil": _TIME,
    "isEmpty": _FLAG,
    "users": _record({"listed": _COUNT, "changed": _COUNT, "missing": _COUNT, "created": _COUNT}),
    "changes": _counts(ChangeKind),
    "actions": _COUNT,
    "batches": _COUNT,
    "hazards": _several(
        _record({"name": _TEXT, "count": _COUNT, "allowed": _maybe(_COUNT), "isOver": _FLAG})
    ),
    "notes": _several(
        _record(
            {"code": _TEXT, "resource": _TEXT, "sentence": _TEXT, "count": _COUNT, "samples": _several(_TEXT)}
        )
    ),
    "cohorts": _several(
        _record(
            {
                "resource": _TEXT,
                "kind": _one_of(ChangeKind),
                "field": _TEXT,
                "users": _COUNT,
                "distinct": _COUNT,
                "values": _several(_record({"before": _VALUE, "after": _VALUE, "users": _COUNT})),
                "samples": _several(_TEXT),
                "askedAt": _TEXT,
                "shapes": _several(_record({"names": _several(_TEXT), "users": _COUNT})),
            }
        )
    ),
    "cost": _record(
        {
            "reads": _COUNT,
            "writes": _COUNT,
            "recheck": _COUNT,
            "requests": _COUNT,
            "oneByOne": _COUNT,
            "byAction": _COUNT,
            "seconds": _REAL,
        }
    ),
}
_DIFFERENCE_COUNTS: Final = {each.value: _COUNT for each in Difference}
_EXPLAINED: Final = {"resource": _TEXT, "field": _TEXT, "deviceId": _maybe(_TEXT)}

_DOCUMENTS: Final[Mapping[str, Mapping[str, Schema]]] = {
    "plan-summary": _PLAN,
    "plan-diff": {
        "isEmpty": _FLAG,
        "old": _record({"digest": _TEXT, "target": _TARGET}),
        "new": _record({"digest": _TEXT, "target": _TARGET}),
        "users": _record({**_DIFFERENCE_COUNTS, "same": _COUNT}),
        "counts": _several(_record({"name": _TEXT, "old": _COUNT, "new": _COUNT, "isOver": _FLAG})),
        "groups": _several(
            _record(
                {
                    "resource": _TEXT,
                    "kind": _one_of(ChangeKind),
                    "field": _TEXT,
                    **_DIFFERENCE_COUNTS,
                    "same": _COUNT,
                    "samples": _record({each.value: _several(_TEXT) for each in Difference}),
                }
            )
        ),
    },
    "problems": {
        "total": _COUNT,
        "problems": _several(
            _record(
                {
                    "place": _PLACE,
                    "resource": _maybe(_TEXT),
                    "message": _TEXT,
                    "hint": _maybe(_TEXT),
                    "also": _maybe(_PLACE),
                }
            )
        ),
        "listed": _maybe(
            {"type": "string", "description": "A file with all problems, one a line, as they are here."}
        ),
        "checked": _record({"resources": _COUNT, "rows": _COUNT, "users": _COUNT}),
    },
    "explanation": {
        "target": _TARGET,
        "subject": _TEXT,
        "isListed": _FLAG,
        "isObserved": _FLAG,
        "changes": _several(
            _record(
                {
                    **_EXPLAINED,
                    "kind": _one_of(ChangeKind),
                    "before": _VALUE,
                    "after": _VALUE,
                    "askedAt": _TEXT,
                    "foundAt": _TEXT,
                }
            )
        ),
        "decisions": _several(
            _record(
                {
                    **_EXPLAINED,
                    "observed": _VALUE,
                    "desired": _VALUE,
                    "comparedAs": _record({"observed": _VALUE, "desired": _VALUE}),
                    "reason": _one_of(Reason),
                    "askedAt": _TEXT,
                    "foundAt": _TEXT,
                    "isChanged": _FLAG,
                }
            )
        ),
    },
    "receipt": {
        "target": _TARGET,
        "run": _COUNT,
        "planDigest": _TEXT,
        "state": _one_of(RunState),
        "planned": _COUNT,
        "actions": _counts(Fate),
        "subjects": _counts(Fate),
        "batches": _counts(BatchState),
        "requests": _COUNT,
        "billableLookups": _COUNT,
        "recheckReads": _COUNT,
        "settleReads": _COUNT,
        "sentNow": _COUNT,
        "stopped": _maybe(_TEXT),
        "complete": _FLAG,
        "exceptionsTotal": _COUNT,
        "exceptions": _several(_EXCEPTION),
        "verification": _maybe(_VERIFICATION),
        "files": _several(_TEXT),
    },
    "status": {
        "journal": _TEXT,
        "readAt": _TIME,
        "locks": _several(
            _record(
                {
                    "appId": _TEXT,
                    "environment": _TEXT,
                    "part": _TEXT,
                    "holder": _TEXT,
                    "host": _TEXT,
                    "pid": _COUNT,
                    "since": _TIME,
                    "until": _TIME,
                    "isLive": _FLAG,
                }
            )
        ),
        "runs": _several(_record(_RUN)),
        "held": _several(
            _record(
                {
                    "appId": _TEXT,
                    "resource": _TEXT,
                    "name": _TEXT,
                    "subject": _TEXT,
                    "state": _one_of(DeliveryState),
                    "run": _COUNT,
                }
            )
        ),
    },
    "runs": {"runs": _several(_record(_RUN))},
    "run": {
        **_RUN,
        "fates": _counts(Fate),
        "requests": _COUNT,
        "billableLookups": _COUNT,
        "recheckReads": _COUNT,
        "settleReads": _COUNT,
        "entries": _several(
            _record(
                {
                    "batch": _COUNT,
                    "wave": _COUNT,
                    "class": _TEXT,
                    "state": _one_of(BatchState),
                    "attempts": _COUNT,
                    "held": _COUNT,
                    "sentAt": _TIME,
                    "doubtedAt": _TIME,
                    "reason": _TEXT,
                }
            )
        ),
        "exceptionsTotal": _COUNT,
        "exceptions": _several(_EXCEPTION),
    },
    "journal-check": {
        "journal": _TEXT,
        "isSound": _FLAG,
        "faults": _several(_record({"run": _COUNT, "batch": _maybe(_COUNT), "fault": _TEXT})),
    },
    "journal-copy": {
        "source": _TEXT,
        "target": _TEXT,
        "rows": {"description": "By table.", "type": "object", "additionalProperties": _COUNT},
    },
    "resolved": {
        "run": _COUNT,
        "resolution": _one_of(Resolution),
        "actions": _COUNT,
        "subjects": _COUNT,
        "batches": _several(_COUNT),
        "stillHeld": _COUNT,
    },
    "pull": {
        "target": _TARGET,
        "read": _COUNT,
        "reused": _COUNT,
        "missing": _COUNT,
        "failed": _COUNT,
        "again": _COUNT,
        "failures": _several(_record({"subject": _TEXT, "sentence": _TEXT})),
    },
    "doctor": {
        "environment": _TEXT,
        "target": _maybe(_TARGET),
        "findings": _several(
            _record(
                {
                    "level": {"enum": ["ok", "note", "bad"]},
                    "about": _TEXT,
                    "sentence": _TEXT,
                    "advice": _TEXT,
                    "actions": _several(_TEXT),
                }
            )
        ),
    },
    "drift": {
        "environment": _TEXT,
        "app": _TEXT,
        "host": _TEXT,
        "hasDrifted": _FLAG,
        "listed": _COUNT,
        "inStep": _COUNT,
        "unreadable": _COUNT,
        "reads": _COUNT,
        "observedFrom": _TIME,
        "observedUntil": _TIME,
        "fields": {"type": "object", "additionalProperties": _COUNT},
        "moved": _several(
            _record(
                {
                    "origin": _TEXT,
                    "resource": _TEXT,
                    "kind": {"enum": [*(kind.value for kind in ChangeKind), "gone"]},
                    "field": _TEXT,
                    "users": _COUNT,
                    "samples": _several(_TEXT),
                }
            )
        ),
        "specs": _several(
            _record(
                {
                    "resource": _TEXT,
                    "appliedAt": _TIME,
                    "run": _maybe(_COUNT),
                    "planDigest": _maybe(_TEXT),
                    "changedSince": _FLAG,
                }
            )
        ),
    },
    "error": {
        "verb": _TEXT,
        "exit": _COUNT,
        "message": _TEXT,
        "over": {
            "description": "What is over budget, by hazard: the numbers that `--ack` must name.",
            "type": "object",
            "additionalProperties": _COUNT,
        },
    },
}
_EVENT: Final = "event"  # a line of `-o ndjson`, or of a run's log
NAMES: Final = (*_DOCUMENTS, _EVENT)


def document_schema(name: str) -> Schema:
    """Return the schema of the document, or of the line of a log, that is called so."""
    if name == _EVENT:
        return {
            "$schema": _DIALECT,
            "title": "a line of -o ndjson, or of a run's log",
            "anyOf": [_run_event(), _batch_event(), *_stream_events()],
        }
    head: dict[str, Schema] = {"format": {"const": f"leanplum-sync/{name}"}, "version": {"const": 1}}
    return {"$schema": _DIALECT, "title": name, **_record({**head, **_DOCUMENTS[name]})}


def _run_event() -> Schema:
    fields = {"at": _REAL, "run": _COUNT, "event": {"const": "run"}, "state": _one_of(RunState)}
    schema = _record(fields)
    schema["properties"]["found"] = _maybe(_one_of(RunState))
    return schema


def _batch_event() -> Schema:
    return _record(
        {
            "at": _REAL,
            "run": _COUNT,
            "event": {"const": "batch"},
            "batch": _COUNT,
            "wave": _COUNT,
            "class": _one_of(DeliveryClass),
            "from": _one_of(BatchState),
            "to": _one_of(BatchState),
            "actions": _COUNT,
            "onTheirWay": _COUNT,
            "open": _COUNT,
            "fates": _counts(Fate),
            "reads": _COUNT,
        }
    )


def _stream_events() -> list[Schema]:
    """What `-o ndjson` tells beside what a log has."""
    document = {
        "type": ["object", "null"],
        "description": "What `-o json` would have printed; its `format` says which schema it has.",
    }
    kinds: dict[str, dict[str, Schema]] = {
        "start": {"format": {"const": "leanplum-sync/events"}, "version": {"const": 1}, "verb": _TEXT},
        "progress": {"what": _TEXT, "unit": _TEXT, "done": _COUNT, "total": _maybe(_COUNT)},
        "end": {"exit": _COUNT, "document": document},
    }
    return [_record({"at": _REAL, "event": {"const": name}, **fields}) for name, fields in kinds.items()]
