"""Checks the re-subscriptions of some specs against all specs about subscriptions: a choice of specs must not hide who has left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from leanplum_sync.errors import SpecError
from leanplum_sync.kinds.rows.source import files_of
from leanplum_sync.operations.check import check
from leanplum_sync.operations.read_rows import Reading, read_rows
from leanplum_sync.problem import Problem
from leanplum_sync.progress import SilentProgress
from leanplum_sync.project.model import FILE_NAME
from leanplum_sync.specs import Loaded, load
from leanplum_sync.staging import Staging


def check_opt_outs(loaded: Loaded, files: Sequence[Path], reading: Reading, state_folder: Path) -> Loaded:
    """
    Check *loaded*, which has no problems of its own and the rows of its queries, against the specs in *files*.

    Nothing is read unless *loaded* can re-subscribe users, and *files* have other specs about subscriptions. Their data files
    become inputs of what is returned: a plan is outdated once someone else has left in one of them.

    Raises:
        SpecError: a spec that was not chosen unsubscribes a user whom a chosen one re-subscribes, or can't be compared.
        SourceUnreachableError, CredentialError, StorageError: as ``read_rows``.
    """
    if not any(each.may_resubscribe for each in loaded.resources) or loaded.project is None:
        return loaded
    everything = load(loaded.root / FILE_NAME, files)
    chosen = tuple(each for each in loaded.resources if each.manages_subscriptions)
    addresses = {each.address for each in chosen}
    others = tuple(
        each for each in everything.resources if each.manages_subscriptions and each.address not in addresses
    )
    problems = list(filter(_may_be_about_subscriptions, everything.problems))
    if not problems and others:
        read = read_rows(
            replace(everything, resources=others, problems=()), replace(reading, refuses_unused=False)
        )
        with Staging(state_folder) as staging:
            found = check(replace(read, resources=(*chosen, *read.resources)), staging, SilentProgress())
        problems = list(found.problems)
    if problems:
        raise SpecError(problems)
    compared = {path for each in others for path in files_of(each.source)}
    inputs = {*loaded.inputs, *(each for each in everything.inputs if each.path in compared)}
    return replace(loaded, inputs=tuple(sorted(inputs)))


def _may_be_about_subscriptions(problem: Problem) -> bool:
    kind, _, name = problem.address.partition("/")
    return not name or kind == "Subscriptions"
