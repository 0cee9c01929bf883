"""
Applies a plan batch by batch, with each intent and outcome in the journal.

The entry point is ``run.apply_plan``. It is not imported here because it imports the journal's database library.
"""

from __future__ import annotations
