"""``HYPOTHESIS_PROFILE=campaign``, which ``make campaign`` sets, makes every search longer."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("campaign", max_examples=500, deadline=None)
if name := os.environ.get("HYPOTHESIS_PROFILE"):
    settings.load_profile(name)
