"""The catalogue of actions, for those who call them by hand."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BLANK, CARE, NAME, faint, grid, heading, paint
from leanplum_sync.wire.catalogue import ActionSpec, ArgumentType, Target


def actions_text(actions: Mapping[str, ActionSpec], page: Page) -> str:
    """Return a line for each action: its name, its key, whether it writes, and what it can't do without."""
    return paint([grid(map(_row, actions.values()), indent=0)], page)


def action_text(spec: ActionSpec, common: Mapping[str, ArgumentType], page: Page) -> str:
    """Return what one action takes; *common* are the arguments of every action."""
    needed = [
        (Text(name, NAME), Text(kind.value), Text("needed", CARE)) for name, kind in spec.required.items()
    ]
    others = [
        (Text(name, NAME), Text(kind.value), faint(_who(spec, name)))
        for name, kind in {**spec.arguments, **common}.items()
        if name not in spec.required
    ]
    title = Text.assemble((spec.name, "bold"), f": {_deed(spec)} with the {spec.key_class.words} key")
    return paint([title, BLANK, heading("Arguments"), grid([*needed, *others])], page)


def needs(spec: ActionSpec) -> str:
    """Return such as ``userId or deviceId, event``."""
    who = {Target.USER: ["userId or deviceId"], Target.DEVICE: ["deviceId"], Target.APP: []}[spec.target]
    return ", ".join([*who, *spec.required])


def _row(spec: ActionSpec) -> tuple[Text, ...]:
    return (
        Text(spec.name, NAME),
        Text(_deed(spec), CARE if spec.writes else ""),
        Text(spec.key_class.words),
        faint(needs(spec)),
    )


def _deed(spec: ActionSpec) -> str:
    return "writes" if spec.writes else "reads"


def _who(spec: ActionSpec, name: str) -> str:
    match spec.target, name:
        case Target.USER, "userId" | "deviceId":
            return "one of the two is needed"
        case Target.DEVICE, "deviceId":
            return "needed"
        case _:
            return ""
