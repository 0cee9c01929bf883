"""
The fields of every line of ``-o ndjson`` and of a run's log, for their JSON Schema.

Tests hold the written lines against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from leanplum_sync.journal.entry import BatchState, Fate, RunState
from leanplum_sync.wire.action import DeliveryClass


@dataclass(frozen=True, slots=True)
class RunEvent:
    at: float
    run: int
    event: Literal["run"]
    state: RunState
    mark: int
    found: RunState | None = field(default=None, metadata={"optional": True})
    journal: str = field(default="", metadata={"optional": True})
    app: str = field(default="", metadata={"optional": True})
    plan: str = field(default="", metadata={"optional": True})


@dataclass(frozen=True, slots=True)
class BatchEvent:
    at: float
    run: int
    event: Literal["batch"]
    batch: int
    wave: int
    class_: DeliveryClass
    from_: BatchState
    to: BatchState
    actions: int
    on_their_way: int
    open: int
    fates: Mapping[Fate, int]
    reads: int


@dataclass(frozen=True, slots=True)
class StartEvent:
    at: float
    event: Literal["start"]
    format: Literal["leanplum-sync/events"]
    version: Literal[1]
    command: str


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    at: float
    event: Literal["progress"]
    what: str
    unit: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class EndEvent:
    at: float
    event: Literal["end"]
    exit: int
    document: Annotated[
        Mapping[str, Any] | None,
        {
            "type": ["object", "null"],
            "description": "The output that `-o json` would have printed; its `format` says which schema it has.",
        },
    ]


EVENTS: Final = (RunEvent, BatchEvent, StartEvent, ProgressEvent, EndEvent)
