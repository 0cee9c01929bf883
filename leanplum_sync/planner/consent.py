"""Whether a dated consent still counts: a user who left after it stays unsubscribed."""

from __future__ import annotations

from collections.abc import Mapping

from leanplum_sync.wire.profile import Profile


def is_consent_valid(
    field: str, consented_at: float | None, profile: Profile, by_runs: Mapping[str, float]
) -> bool:
    """
    Return whether the user in *profile* has not left *field*, a channel or category, since *consented_at*, in epoch seconds.

    The API shows one date for all channels and categories, so the latest unsubscribe from any of them counts. *by_runs* has the
    dates at which runs unsubscribed the user from each, because the API may show none.
    """
    if consented_at is None:
        return False
    dates = (profile.unsubscribed_at, by_runs.get(field))
    return all(date is None or date <= consented_at for date in dates)
