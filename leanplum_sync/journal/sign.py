"""``journal sign``: signs a journal that was created without a key, or signs it again after a change of keys."""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from leanplum_sync.encryption import KEY_VARIABLE, SealingKeys
from leanplum_sync.errors import CredentialError, JournalCorruptError, JournalError
from leanplum_sync.journal.copying import check_at_rest
from leanplum_sync.journal.database import Database, describe, is_address
from leanplum_sync.journal.schema import batch_table, run_table
from leanplum_sync.journal.signing import all_batches, sign_batches, sign_identity, sign_runs
from leanplum_sync.journal.soundness import faults


@dataclass(frozen=True, slots=True)
class Signed:
    runs: int
    batches: int


def sign_journal(location: str | Path, keys: SealingKeys | None = None) -> Signed:
    """
    Sign every record of the journal at *location* with the first of *keys*, all or nothing.

    If it is signed already, it must be as it was signed; otherwise it must be consistent.

    Raises:
        CredentialError: there is no key, or the journal is signed with one that is not here.
        JournalLockedError: a run works with it.
        JournalCorruptError: it was altered, or is not consistent.
        JournalError: there is none.
    """
    keys = SealingKeys.from_environment(os.environ) if keys is None else keys
    if not keys.keys:
        raise CredentialError(f"{KEY_VARIABLE} is not set, so there is no key to sign the journal with.")
    if not is_address(location) and not Path(location).is_file():
        raise JournalError(f"{describe(location)} does not exist; nothing was signed.")
    with (
        closing(Database(location, keys=keys, is_checked=False)) as database,
        database.writing("nothing was signed") as connection,
    ):
        now = time.time() + database.clock_ahead(connection)
        check_at_rest(connection, database.name, now, "nothing was signed")
        signer = database.signer
        if signer.key_of(connection):
            signer.check_whole(connection)
        elif next(faults(lambda query: connection.execute(query).all()), None):
            raise JournalCorruptError(
                f"{database.name} is not consistent; nothing was signed. List its faults with leanplum-sync journal verify."
            )
        count = sa.select(sa.func.count()).select_from(batch_table)
        of_run = count.where(batch_table.c.run == run_table.c.number).scalar_subquery()
        connection.execute(sa.update(run_table).values(begun=of_run))
        numbers = connection.scalars(sa.select(run_table.c.number).order_by(run_table.c.number)).all()
        sign_batches(connection, signer, all_batches(connection))
        sign_runs(connection, signer, numbers)
        sign_identity(connection, signer)
        return Signed(len(numbers), connection.scalar(count) or 0)
