"""What must be true of every receipt."""

from __future__ import annotations

from leanplum_sync.applier.receipt import Receipt


def adds_up(receipt: Receipt) -> bool:
    """Whether each planned action has exactly one fate."""
    return sum(receipt.actions.values()) == receipt.planned
