"""How many examples a random test tries: few in the suite, many in `make campaign`."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import settings

PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "suite")
IS_CAMPAIGN: Final = PROFILE == "campaign"


def examples(in_the_suite: int) -> int:
    """Return *in_the_suite*, or the campaign's number if this is one."""
    return settings().max_examples if IS_CAMPAIGN else in_the_suite
