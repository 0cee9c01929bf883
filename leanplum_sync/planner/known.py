"""What the journal knows of a subject that live state can't tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Known:
    """
    *delivered* holds ``(resource, name)`` of each send and increment that was made, or may have been: neither is planned
    again. *fingerprints* maps ``(deviceId, field)`` to the fingerprint of the value that was last sent.
    """

    delivered: frozenset[tuple[str, str]] = frozenset()
    fingerprints: Mapping[tuple[str, str], str] = field(default_factory=dict)


NOTHING_KNOWN = Known()
