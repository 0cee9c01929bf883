"""Checks that no user to be erased is in another spec, whether the other spec was chosen or not, and whatever key it needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from leanplum_sync.errors import SpecError
from leanplum_sync.kinds.rows.source import files_of
from leanplum_sync.operations.check import check
from leanplum_sync.operations.read_rows import Reading, read_rows
from leanplum_sync.planner.conflicts import ERASED_ELSEWHERE
from leanplum_sync.problem import Problem
from leanplum_sync.progress import SilentProgress
from leanplum_sync.project.model import FILE_NAME
from leanplum_sync.specs import Loaded, load
from leanplum_sync.staging import Staging


def check_erased_alone(loaded: Loaded, files: Sequence[Path], reading: Reading, state_folder: Path) -> Loaded:
    """
    Check *loaded*, which has no problems of its own and the rows of its queries, against the specs in *files*.

    Nothing is read unless one of them erases users. The data files of the other specs that were compared become inputs of what is
    returned: a plan is outdated once a user is listed in one of them.

    Raises:
        SpecError: a user to be erased is also in another spec, or one of the specs that erase can't be compared.
        SourceUnreachableError, CredentialError, StorageError: as ``read_rows``.
    """
    if not any(map(_may_erase, files)):
        return loaded
    everything = load(loaded.root / FILE_NAME, files)
    if not any(each.erases for each in (*loaded.resources, *everything.resources)):
        return loaded
    addresses = {each.address for each in loaded.resources}
    is_erasing = any(each.erases for each in loaded.resources)
    others = tuple(
        each
        for each in everything.resources
        if each.address not in addresses and each.kind.has_rows and (each.erases or is_erasing)
    )
    if not others:
        return loaded
    if problems := [
        each for each in everything.problems if is_erasing or each.address.startswith("Erasure/")
    ]:
        raise SpecError(problems)
    read = read_rows(
        replace(everything, resources=others, problems=()), replace(reading, refuses_unused=False)
    )
    compared = tuple(each for each in loaded.resources if each.kind.has_rows)
    with Staging(state_folder) as staging:
        found = check(replace(read, resources=(*compared, *read.resources)), staging, SilentProgress())
    chosen = set(map(str, addresses))
    if problems := [each for each in found.problems if _is_about(each, chosen)]:
        raise SpecError(problems)
    paths = {path for each in others for path in files_of(each.source)}
    inputs = {*loaded.inputs, *(each for each in everything.inputs if each.path in paths)}
    return replace(loaded, inputs=tuple(sorted(inputs)))


def _is_about(problem: Problem, chosen: Collection[str]) -> bool:
    """Whether a user is to be erased and is listed elsewhere, and one of the *chosen* specs does either."""
    _, says_so, erasing = problem.message.partition(f"{ERASED_ELSEWHERE} ")
    return bool(says_so) and (problem.address in chosen or erasing.split()[0].rstrip(",") in chosen)


def _may_erase(file: Path) -> bool:
    """Most projects have no such spec, and needn't be loaded twice."""
    try:
        return b"Erasure" in file.read_bytes()
    except OSError:
        return False
