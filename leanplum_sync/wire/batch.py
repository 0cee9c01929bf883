"""Planned actions and the batches they travel in."""

from __future__ import annotations

from dataclasses import dataclass, field

from leanplum_sync.address import Subject
from leanplum_sync.wire.action import Action, DeliveryClass


@dataclass(frozen=True, slots=True, order=True)
class DeliveryKey:
    """
    The identity of something that happens at most once per subject: a send, or an increment.

    *name* is the spec's ``delivery``, or ``once`` and the attribute of an increment (``launch/visits``: no ``delivery`` has a
    slash). With the app and the subject it identifies the delivery in the journal: a known delivery is never planned again.

    *resource* is the ``kind/name`` of the document that asked. It is not part of the identity, so that renaming a document
    repeats nothing.

    *former* are the names that the delivery had before: under each, it counts as delivered too.
    """

    name: str
    subject: Subject
    resource: str = field(compare=False)
    former: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """
    *number* counts from 1 through the plan; *deliveries* are what the journal must remember once this was sent. *owner* is the
    user of a device that is listed without one, if known.

    All of a subject's actions of one class and wave stand in one batch, in order.
    """

    number: int
    subject: Subject
    delivery_class: DeliveryClass
    action: Action
    deliveries: tuple[DeliveryKey, ...] = ()
    owner: Subject | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """
    Actions of one class, sent in one ``multi``.

    An action about a thing of the app is sent alone, and not in a ``multi``: of these actions, only setVars is known to work in one, and
    a response to one action leaves no doubt which thing it is about.

    *number* counts from 1 through the plan. Batches of a wave are settled before those of the next wave start, and,
    within a wave, those of one delivery class before those of the next.
    """

    number: int
    wave: int
    delivery_class: DeliveryClass
    actions: tuple[PlannedAction, ...]

    @property
    def subjects(self) -> frozenset[Subject]:
        """Each of them is one billable lookup, unless it is a thing of the app."""
        return frozenset(planned.subject for planned in self.actions)

    @property
    def users(self) -> frozenset[Subject]:
        """
        Users and devices about whom no other request may be in flight: devices count as their users where these are known. All things
        of the app of one kind count as one, because Leanplum doesn't say whether it keeps two requests about them apart.
        """
        return frozenset(
            Subject(planned.subject.kind, "")
            if planned.subject.kind.is_thing
            else planned.owner or planned.subject
            for planned in self.actions
        )

    @property
    def is_of_the_app(self) -> bool:
        """Whether it is about a thing of the app."""
        return any(planned.subject.kind.is_thing for planned in self.actions)
