"""Runs when a process of a test starts: its emulators get the answers that the test meets."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import doubts

doubts.impose()
