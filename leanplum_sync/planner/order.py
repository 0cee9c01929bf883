"""The order of resources: waves, from what ``dependsOn`` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter

from leanplum_sync.address import ResourceAddress


def waves(depends_on: Mapping[ResourceAddress, Sequence[ResourceAddress]]) -> dict[ResourceAddress, int]:
    """
    Return each resource's wave, from 0: one more than the highest of those it depends on.

    Dependencies outside the mapping (left out with ``--select``) don't hold anything up. Cycles were refused when the specs
    were checked; one that comes here raises graphlib's CycleError.
    """
    known = {
        address: [other for other in others if other in depends_on] for address, others in depends_on.items()
    }
    found: dict[ResourceAddress, int] = {}
    for address in TopologicalSorter(known).static_order():
        found[address] = 1 + max((found[other] for other in known[address]), default=-1)
    return found
