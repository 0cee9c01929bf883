"""The catalogue of actions, for `leanplum-sync call`."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BLANK, CARE, NAME, faint, grid, heading, paint
from leanplum_sync.wire.catalogue import ActionSpec, ArgumentType, Target


def actions_text(actions: Mapping[str, ActionSpec], page: Page) -> str:
    """Return one line per action: its name, whether it writes, its key, and its required arguments."""
    return paint([grid(map(_row, actions.values()), indent=0)], page)


def action_text(spec: ActionSpec, common: Mapping[str, ArgumentType], page: Page) -> str:
    """Return the arguments of one action; *common* are those of every action."""
    required = [
        (Text(name, NAME), Text(kind.value), Text("required", CARE)) for name, kind in spec.required.items()
    ]
    others = [
        (Text(name, NAME), Text(kind.value), faint(_who(spec, name)))
        for name, kind in {**spec.arguments, **common}.items()
        if name not in spec.required
    ]
    title = Text.assemble((spec.name, "bold"), f": {_access(spec)} with the {spec.key_class.words} key")
    return paint([title, BLANK, heading("Arguments"), grid([*required, *others])], page)


def needs(spec: ActionSpec) -> str:
    """Return the required arguments, such as ``userId or deviceId, event``."""
    who = {Target.USER: ["userId or deviceId"], Target.DEVICE: ["deviceId"], Target.APP: []}[spec.target]
    return ", ".join([*who, *spec.required])


def _row(spec: ActionSpec) -> tuple[Text, ...]:
    return (
        Text(spec.name, NAME),
        Text(_access(spec), CARE if spec.writes else ""),
        Text(spec.key_class.words),
        faint(needs(spec)),
    )


def _access(spec: ActionSpec) -> str:
    return "writes" if spec.writes else "reads"


def _who(spec: ActionSpec, name: str) -> str:
    match spec.target:
        case Target.USER:
            return "userId or deviceId is required" if name in ("userId", "deviceId") else ""
        case Target.DEVICE:
            return "required" if name == "deviceId" else ""
        case Target.APP:
            return ""
