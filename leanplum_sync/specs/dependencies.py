"""``dependsOn``: checks that the targets exist, and that there are no cycles."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from leanplum_sync.address import ResourceAddress
from leanplum_sync.specs.explain import did_you_mean
from leanplum_sync.specs.file import OpenDocument


@dataclass(frozen=True, slots=True)
class Dependency:
    """Item *index* of the ``dependsOn`` of *document*, whose address is *of*."""

    of: ResourceAddress
    on: ResourceAddress
    document: OpenDocument
    index: int

    def report(self, message: str, hint: str) -> None:
        self.document.report(("metadata", "dependsOn", self.index), message, hint)


def check_targets(dependencies: Sequence[Dependency], known: Collection[ResourceAddress]) -> None:
    for dependency in dependencies:
        if dependency.on not in known:
            text = str(dependency.on).rstrip("/")
            hint = did_you_mean(text, [str(address) for address in known])
            dependency.report(
                f"there is no {text}", hint or "Write kind/name, such as UserAttributes/loyalty-tiers."
            )


def check_circles(dependencies: Sequence[Dependency]) -> None:
    """Report every dependency that closes a circle, at the line that does so."""
    targets: dict[ResourceAddress, list[Dependency]] = {}
    for dependency in sorted(dependencies, key=lambda one: (one.of, one.on)):
        targets.setdefault(dependency.of, []).append(dependency)
    settled: set[ResourceAddress] = set()
    for start in targets:
        for dependency, circle in _circles(start, targets, settled):
            text = " -> ".join(map(str, circle))
            dependency.report(f"dependencies form a cycle: {text}", "Remove one of them.")


def _circles(
    start: ResourceAddress, targets: dict[ResourceAddress, list[Dependency]], settled: set[ResourceAddress]
) -> Iterator[tuple[Dependency, list[ResourceAddress]]]:
    """Walk depth first, without recursion: chains may be long. *settled* holds what was walked before."""
    if start in settled:
        return
    trail = [start]
    pending = [iter(targets[start])]
    while pending:
        dependency = next(pending[-1], None)
        if dependency is None:
            settled.add(trail.pop())
            pending.pop()
        elif dependency.on in trail:
            yield dependency, [*trail[trail.index(dependency.on) :], dependency.on]
        elif dependency.on not in settled:
            trail.append(dependency.on)
            pending.append(iter(targets.get(dependency.on, ())))
