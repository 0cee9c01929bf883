"""Assigns users to variants of the running A/B tests: by percentage, and always the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any


def variants_of(tests: Mapping[str, Mapping[str, Any]], user_id: str) -> dict[str, Mapping[str, Any]]:
    """Return the user's variant by test id, for each test that the user takes part in."""
    found = {key: _variant(key, test, user_id) for key, test in tests.items() if _takes_part(test, user_id)}
    return {key: variant for key, variant in found.items() if variant is not None}


def _takes_part(test: Mapping[str, Any], user_id: str) -> bool:
    targeting = test.get("targeting")
    return (
        bool(test.get("active", True))
        and not test.get("draft")
        and (targeting is None or user_id in targeting)
    )


def _variant(key: str, test: Mapping[str, Any], user_id: str) -> Mapping[str, Any] | None:
    digest = hashlib.md5(f"{key}:{user_id}".encode(), usedforsecurity=False).digest()
    place = int.from_bytes(digest[:4]) / 2**32 * 100
    variant: Mapping[str, Any]
    for variant in test.get("variants", ()):
        place -= float(variant.get("percent", 0))
        if place < 0:
            return variant
    return None
