"""
The copy of a baseline in a shared journal, for machines that don't keep their disk.

It is stored as the journal's other files are: encrypted, in chunks, and a copy counts once it is complete. The folder on a machine's disk
is then a cache. Each user of the baseline compares the id of the copy that the folder came from, in its file ``shared``, with the
journal's, and fetches another one.

Two machines may add to the same copy at once, and then the later one counts. That loses what the other had read, and shows nothing that
is wrong: a baseline says up to which run it includes the journal's writes, and users of other runs are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

from leanplum_sync.baseline.folder import Folder, UnusableError
from leanplum_sync.clock import Clock
from leanplum_sync.encryption import SealingKeys
from leanplum_sync.errors import CredentialError, JournalCorruptError, JournalError
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.kept_files import OF_PLAN, KeptName, discard, keep, latest, read

_NAME: Final = "baseline"
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Shared:
    """The copy of the baseline of *app* and *environment* in the journal at *location*. *keys* has at least one."""

    location: str
    app: str
    environment: str
    keys: SealingKeys
    clock: Clock

    @property
    def exists(self) -> bool:
        with self._database(read_only=True) as database:
            return not database.is_empty and latest(database, self._name) is not None

    def fetch(self, folder: Folder) -> None:
        """
        Let *folder* have what the journal has. Call it while *folder* is ``alone``.

        A folder that came from a copy which the journal no longer has is emptied, and its key is deleted: somebody discarded the
        baseline, perhaps because the key leaked. A folder that was never shared stays.

        Raises:
            UnusableError: the copy is damaged, or was encrypted with another key.
            JournalError: the journal can't be read.
            OSError: the folder can't be written.
        """
        with self._database(read_only=True) as database:
            for attempt in range(_TRIES):
                found = None if database.is_empty else latest(database, self._name)
                if found is None:
                    if folder.came_from is not None:
                        folder.forget()
                    return
                if found.copy == folder.came_from:
                    return
                try:
                    with folder.receiving(found.copy) as file:
                        read(database, self.keys, found, file)
                except JournalCorruptError as error:
                    if attempt + 1 < _TRIES and latest(database, self._name) != found:
                        continue  # replaced meanwhile
                    raise UnusableError("its copy in the journal is damaged") from error
                except CredentialError as error:
                    raise UnusableError("its copy in the journal is encrypted with another key") from error
                return

    def keep(self, folder: Folder) -> None:
        """
        Store what *folder* has. Call it while *folder* is ``alone``.

        Raises:
            JournalError: the journal can't be written. What it had before still counts, and the folder keeps what it has.
            OSError: the folder can't be read.
        """
        try:
            with self._database() as database:
                copy = keep(database, self.clock, self.keys, self._name, folder.write_to)
        except JournalError as error:
            told = str(error).removesuffix(" Run the command again.")
            raise type(error)(
                f"{told} Other machines don't know the users that were added here, and read them themselves. Nothing else needs to be done."
            ) from error
        folder.comes_from(copy)

    def forget(self) -> None:
        """
        Delete the copy.

        Raises:
            JournalError: the journal can't be written.
        """
        with self._database() as database:
            discard(database, self._name)

    @property
    def _name(self) -> KeptName:
        return KeptName(self.app, self.environment, _NAME, OF_PLAN, _NAME)

    @contextmanager
    def _database(self, *, read_only: bool = False) -> Iterator[Database]:
        database = Database(self.location, read_only=read_only, keys=SealingKeys(), is_checked=False)
        with closing(database):
            yield database
