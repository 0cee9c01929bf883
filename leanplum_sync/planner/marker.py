"""
The receipt of an increment: the same action also sets an attribute to the action's own id.

After a lost response, one read then shows whether the increment was applied, even if others increment the same attribute. Without
a receipt, only a sum that is exactly as expected proves it.
"""

from __future__ import annotations

from collections.abc import Iterable

from leanplum_sync.wire.action import DeliveryClass, Json
from leanplum_sync.wire.batch import DeliveryKey, PlannedAction
from leanplum_sync.wire.fingerprint import fingerprint
from leanplum_sync.wire.profile import Profile
from leanplum_sync.wire.values import same


def marker_value(deliveries: Iterable[DeliveryKey]) -> str:
    """Return the id of the action that makes *deliveries*: the same in every plan, so that plans stay comparable."""
    return fingerprint("increment", *(key.name for key in deliveries))


def has_marker(planned: PlannedAction) -> bool:
    return bool(_marker(planned))


def is_marked(planned: PlannedAction, profile: Profile) -> bool:
    """Return whether *profile* bears the action's receipt."""
    return all(same(profile.attributes.get(name), value) for name, value in _marker(planned).items())


def _marker(planned: PlannedAction) -> dict[str, Json]:
    """Increments travel in actions of their own: what else such an action sets is its receipt."""
    if planned.delivery_class is not DeliveryClass.CHECKABLE:
        return {}
    return planned.action.arguments.get("userAttributes") or {}
