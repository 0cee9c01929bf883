"""Why a plan with the baseline reads all users of a spec, each time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import assert_never

from leanplum_sync.address import ResourceAddress, SubjectKind
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows import desires
from leanplum_sync.kinds.rows.erase_part import ErasePart
from leanplum_sync.kinds.rows.parts import Always, CellPart, DevicePart, ListPart, OncePart, Part
from leanplum_sync.kinds.rows.subscription_part import SubscriptionPart
from leanplum_sync.operations.exportable import ALWAYS_READ
from leanplum_sync.staging.assumed import print_sieve_of
from leanplum_sync.staging.sieve import source_to_load


def never_assumed(resources: Iterable[Resource]) -> Mapping[ResourceAddress, str]:
    """Return the specs of whose users a baseline can show nothing, with the reason."""
    reasons = ((each.address, _why(each)) for each in resources if each.kind.has_rows)
    return {address: reason for address, reason in reasons if reason}


def _why(resource: Resource) -> str:
    if resource.kind.subjects is not SubjectKind.USER:
        return "the baseline has no devices"
    for part in resource.parts:
        if print_sieve_of(replace(resource, parts=(part,))).knows_nothing:
            return _why_unknown(part)
    return "" if source_to_load(resource) else "its rows don't come from a CSV file or a connection"


def _why_unknown(part: Part) -> str:
    match part:
        case OncePart() | Always(wish=desires.Once()):
            return "sends are decided for each user"
        case DevicePart() | Always(wish=desires.SetDeviceField()):
            return "the baseline has no devices"
        case SubscriptionPart() | Always(wish=desires.SetSubscription()):
            return "the baseline has no subscriptions"
        case ErasePart() | Always(wish=desires.Erase()):
            return ALWAYS_READ
        case Always(wish=desires.IncrementAttribute()):
            return "increments are counted for each user"
        case (
            Always(wish=desires.SetProfileField(name=name))
            | CellPart(wish=desires.SetProfileField(name=name))
        ):
            return f"values of profile field {name} can't be compared by hash"
        case Always(wish=wish) | CellPart(wish=wish):
            return f"values of attribute {wish.name} can't be compared by hash"
        case ListPart(name=name):
            return f"the list in attribute {name} can't be compared by hash"
        case _:
            assert_never(part)
