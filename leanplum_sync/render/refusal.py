"""A plan that was refused: the sentence for each reason, with the command that helps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import assert_never

from leanplum_sync import errors
from leanplum_sync.planner.plan import Hazard
from leanplum_sync.render.plan_words import HAZARD_WORDS, consent_options, over_budget
from leanplum_sync.render.values import amount, duration, moment


def mismatch_sentence(error: errors.PlanMismatchError) -> str:
    reasons = "; ".join(map(_mismatch, error.mismatches))
    return f"{error.plan} can't be applied here: {reasons}. Nothing was sent. Plan again."


def expired_sentence(error: errors.ExpiredPlanError, quoted: Callable[[Path], str]) -> str:
    return (
        f"{error.plan} has expired: it was made at {moment(error.made_at)}, {duration(error.age_seconds)} ago, but plans may only be applied for {duration(error.max_age_seconds)}. Nothing was sent. Make a new plan with: leanplum-sync plan"
        f" -e {error.environment} --out {quoted(error.plan)}. The new plan will only contain changes that this plan has not made yet."
    )


def consent_sentence(error: errors.HazardNotAllowedError) -> str:
    over = [Hazard(name, count, error.allowed[name]) for name, count in error.over.items()]
    missing = [hazard for hazard in over if hazard.name in error.unaccepted]
    sentences = [
        f"--ack {name}={count} does not match this plan, whose number is {error.counts.get(name, 0)}."
        for name, count in error.wrong
    ]
    if missing:
        sentences.append(f"Over budget: {over_budget(missing)}.")
    sentences.append("Nothing was sent.")
    if over:
        sentences.append(f"To consent to exactly this plan, add {consent_options(over)}")
    return " ".join(sentences)


def _mismatch(mismatch: errors.Mismatch) -> str:  # noqa: C901, PLR0912 - a case for each kind
    planned, found, name = mismatch.planned, mismatch.found, mismatch.name
    match mismatch.kind:
        case errors.MismatchKind.ENVIRONMENT:
            return f"it was made for the environment {planned}, not for {found}"
        case errors.MismatchKind.UNKNOWN_ENVIRONMENT:
            return f"it was made for the environment {planned}, which this project doesn't have"
        case errors.MismatchKind.APP:
            return f"it was made for app {planned}, but {name} uses app {found}"
        case errors.MismatchKind.HOST:
            return f"it was made for {planned}, but {name} is at {found}"
        case errors.MismatchKind.KEY:
            return f"it writes with the {planned} key, but {name} writes with the {found} key"
        case errors.MismatchKind.INPUT_CHANGED:
            return f"{name} has changed"
        case errors.MismatchKind.INPUT_MISSING:
            return f"{name} is gone"
        case errors.MismatchKind.SPECS_UNCHECKED:
            return "since then, specs that contradict it may have been added or changed; this was not checked"
        case errors.MismatchKind.SPEC_CONFLICT:
            return f"specs that contradict it have been added or changed since: {name}: {planned}"
        case errors.MismatchKind.ACTION:
            return f"it contains {amount(int(planned), 'call')} to {name}, which no plan may contain"
        case errors.MismatchKind.SUBJECT:
            return f"it contains {amount(int(planned), 'call')} whose user doesn't match the listed changes"
        case errors.MismatchKind.HAZARD:
            return f"it states {planned} {HAZARD_WORDS.get(name, name)}, but its rows add up to {found}"
        case _:
            assert_never(mismatch.kind)
