"""Whether a dated consent still counts: a user who left after it stays unsubscribed."""

from __future__ import annotations

from leanplum_sync.wire.profile import Profile


def is_consent_valid(consented_at: float | None, profile: Profile) -> bool:
    """
    Return whether the user in *profile* has not unsubscribed from anything since *consented_at*, in epoch seconds.

    The API shows one date for all channels and categories, so the latest unsubscribe from any of them counts.
    """
    if consented_at is None:
        return False
    return profile.unsubscribed_at is None or profile.unsubscribed_at <= consented_at
