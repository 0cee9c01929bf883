"""
Carrying out a plan: batch by batch, each intent and outcome in the journal.

``run.apply_plan`` is the way in. It stands in its own module because it brings the journal's database library with it.
"""

from __future__ import annotations
