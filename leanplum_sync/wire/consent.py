"""How the journal names the use of a consent: a consent re-subscribes a user to a channel or category only once."""

from __future__ import annotations

import re
from typing import Final

from leanplum_sync.wire.fingerprint import fingerprint

_NAME: Final = re.compile(r"consent/(.+)/[0-9a-f]{16,}")


def consent_delivery(field: str, consented_at: float | None) -> str:
    """Return the name of a re-subscription. The date of the consent may be personal data, so only its fingerprint is kept."""
    return f"consent/{field}/{fingerprint('consent', field, repr(consented_at))}"


def resubscription_of(delivery: str) -> str:
    """Return such as ``re-subscription to Email`` for the name of one; empty for any other delivery."""
    found = _NAME.fullmatch(delivery)
    return f"re-subscription to {found[1]}" if found else ""
