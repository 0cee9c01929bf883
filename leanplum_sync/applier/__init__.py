"""Carrying out a plan: batch by batch, each intent and outcome in the journal."""

from __future__ import annotations
