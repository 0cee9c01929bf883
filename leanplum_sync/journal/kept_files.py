"""
Files in a shared journal: applied plans, receipts, leftover rows, and baselines. With them, any machine can continue or undo a run.

They hold values of users, so they are only stored encrypted. A file is stored in chunks, each in a transaction of its own:
large plans need little memory, and nobody waits for a whole upload. A copy counts once all of its chunks are stored.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import sqlalchemy as sa

from leanplum_sync.clock import Clock
from leanplum_sync.encryption import SALT_BYTES, Sealed, SealingKeys
from leanplum_sync.errors import JournalCorruptError, JournalError
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.rows import Row
from leanplum_sync.journal.schema import kept_chunk_table, kept_file_table

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

Write: TypeAlias = "Callable[[SupportsWrite[bytes]], None]"  # writes the content to the file that it is given

PURPOSE: Final = "kept file"
OF_PLAN: Final = 0  # in place of the run: a plan may have several
PLAN_NAME: Final = "plan.lpplan"
_CHUNK_BYTES: Final = 1 << 20
# An upload that has not ended by then was cut off.
_UPLOAD_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class KeptName:
    """Identifies a file. *run* is ``OF_PLAN`` for the plan itself."""

    app: str
    environment: str
    plan_digest: str
    run: int
    name: str

    @property
    def not_kept(self) -> str:
        """The end of an error's sentence."""
        if self.name == PLAN_NAME:
            return "the plan was not stored in it, and nothing was sent"
        return f"{'the ' if self.run == OF_PLAN else ''}{self.name} was not stored in it"


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A complete copy of a file. *copy* identifies it."""

    name: KeptName
    copy: str

    def place(self, chunk: int) -> tuple[str, ...]:
        """Return what the encryption of a chunk is bound to."""
        return self.copy, self.name.plan_digest, str(self.name.run), self.name.name, str(chunk)


def keep(database: Database, clock: Clock, keys: SealingKeys, name: KeptName, write: Write) -> str:
    """
    Store the content that *write* writes, in place of an earlier copy of the file *name*, and return the id of the copy.

    *keys* has at least one. *write* is called twice. If the journal already has this content, nothing is stored. Copies of the file
    whose upload was cut off more than a day ago are deleted.

    Raises:
        JournalError: the journal can't be written. What was uploaded is deleted again, if possible.
    """
    salt = os.urandom(SALT_BYTES)
    codec = keys.sealed(salt, PURPOSE)
    stamp = _stamp(codec, write)
    file = kept_file_table
    with database.reading() as connection:
        same = sa.select(file.c.copy).where(*_named(name), file.c.stamp == stamp, file.c.chunks.is_not(None))
        if (known := connection.scalar(same.limit(1))) is not None:
            return str(known)
    copy = clock.new_id()
    row = {
        "copy": copy,
        "app": name.app,
        "environment": name.environment,
        "plan_digest": name.plan_digest,
        "run": name.run,
        "name": name.name,
        "stamp": stamp,
        "encryption_key": codec.key_id,
        "salt": salt.hex(),
        "chunks": None,
    }
    with database.writing(name.not_kept, alone=False) as connection:
        connection.execute(
            sa.insert(file), {**row, "kept_at": clock.now() + database.clock_ahead(connection)}
        )
    try:
        upload = _Upload(database, codec, KeptFile(name, copy))
        write(upload)
        upload.end()
        with database.writing(name.not_kept) as connection:
            cut_off = clock.now() + database.clock_ahead(connection) - _UPLOAD_SECONDS
            earlier = sa.select(file.c.copy).where(
                *_named(name), file.c.copy != copy, file.c.chunks.is_not(None) | (file.c.kept_at < cut_off)
            )
            _delete(connection, connection.scalars(earlier).all())
            connection.execute(sa.update(file).where(file.c.copy == copy).values(chunks=upload.chunks))
    except BaseException:
        _delete_unfinished(database, copy)
        raise
    return copy


def _delete_unfinished(database: Database, copy: str) -> None:
    # It may be complete: nobody knows whether a transaction was committed if the connection broke then.
    unfinished = sa.select(kept_file_table.c.copy).where(
        kept_file_table.c.copy == copy, kept_file_table.c.chunks.is_(None)
    )
    with suppress(JournalError), database.writing("nothing was deleted from it", alone=False) as connection:
        _delete(connection, connection.scalars(unfinished).all())


def listed(database: Database, plan_digest: str, run: int) -> Iterator[KeptFile]:
    """Yield the plan, if it is kept, and then the files of *run*, by name."""
    file = kept_file_table
    query = (
        sa.select(file)
        .where(file.c.plan_digest == plan_digest, file.c.run.in_([OF_PLAN, run]), file.c.chunks.is_not(None))
        .order_by(file.c.run, file.c.name, file.c.kept_at.desc())
    )
    with database.reading() as connection:
        rows = connection.execute(query).all()
    latest = {_name_of(row): row.copy for row in reversed(rows)}
    yield from (KeptFile(name, latest[name]) for name in dict.fromkeys(map(_name_of, rows)))


def every(database: Database, app: str) -> tuple[KeptFile, ...]:
    """Return every complete file of *app*."""
    file = kept_file_table
    query = sa.select(file).where(file.c.app == app, file.c.chunks.is_not(None)).order_by(file.c.kept_at)
    with database.reading() as connection:
        return tuple(KeptFile(_name_of(row), row.copy) for row in connection.execute(query).all())


def latest(database: Database, name: KeptName) -> KeptFile | None:
    """Return the complete copy of the file *name*, None if there is none."""
    file = kept_file_table
    query = sa.select(file.c.copy).where(*_named(name), file.c.chunks.is_not(None))
    with database.reading() as connection:
        copy = connection.scalar(query.order_by(file.c.kept_at.desc()).limit(1))
    return None if copy is None else KeptFile(name, copy)


def discard(database: Database, name: KeptName) -> None:
    """Delete all copies of the file *name*, and uploads that have not ended."""
    with database.writing("nothing was deleted from it") as connection:
        copies = sa.select(kept_file_table.c.copy).where(*_named(name))
        _delete(connection, connection.scalars(copies).all())


def read(database: Database, keys: SealingKeys, kept: KeptFile, to: SupportsWrite[bytes]) -> None:
    """
    Write the content of *kept* to *to*, chunk by chunk.

    Raises:
        CredentialError: it is encrypted with a key that isn't among *keys*.
        JournalCorruptError: it was changed, or deleted meanwhile; part of it may have been written.
    """
    file, chunk = kept_file_table, kept_chunk_table
    query = (
        sa.select(file.c.stamp, file.c.encryption_key, file.c.salt, chunk.c.number, chunk.c.sealed)
        .join(chunk, chunk.c.copy == file.c.copy)
        .where(file.c.copy == kept.copy)
        .order_by(chunk.c.number)
    )
    name = kept.name.name
    damaged = JournalCorruptError(
        f"{database.name}: the stored file {name} was changed or deleted. Use another copy of the file, or restore the journal from a backup."
    )
    digest, codec, stamp = hashlib.sha256(), None, ""
    try:
        # One statement sees one state, and the chunks arrive one at a time.
        with (
            database.reading() as connection,
            closing(connection.execution_options(yield_per=1).execute(query)) as rows,
        ):
            for row in rows:
                codec = codec or keys.sealed_with(
                    row.encryption_key, bytes.fromhex(row.salt), PURPOSE, f"{database.name}: {name} in it"
                )
                data = codec.open_bytes(row.sealed, *kept.place(row.number))
                digest.update(data)
                to.write(data)
                stamp = row.stamp
    except ValueError as error:
        raise damaged from error
    # Each chunk is authentic; this shows that all of them are there.
    if codec is None or codec.stamp(digest.hexdigest()) != stamp:
        raise damaged


def forget(database: Database, name: KeptName, besides: Iterable[str]) -> None:
    """Delete the files of the run of *name*, whatever their names are, except those named in *besides*."""
    file = kept_file_table
    with database.writing("an outdated file was not deleted from it") as connection:
        others = sa.select(file.c.copy).where(
            file.c.app == name.app,
            file.c.environment == name.environment,
            file.c.plan_digest == name.plan_digest,
            file.c.run == name.run,
            file.c.name.not_in(list(besides)),
        )
        _delete(connection, connection.scalars(others).all())


def prune(database: Database, clock: Clock, needed: Callable[[str], bool | None], before: float) -> int:
    """
    Delete the files of plans that are not *needed*, and uploads that were cut off. Return how many files were deleted.

    *needed* returns None for a plan without a run; its file is deleted if it was stored before *before*.
    """
    file = kept_file_table
    with database.writing("nothing was deleted from it") as connection:
        cut_off = clock.now() + database.clock_ahead(connection) - _UPLOAD_SECONDS
        query = sa.select(file.c.copy, file.c.plan_digest, file.c.chunks, file.c.kept_at)
        copies = []
        for row in connection.execute(query).all():
            is_needed = needed(row.plan_digest)
            if row.chunks is None:
                goes = row.kept_at < cut_off
            else:
                goes = row.kept_at < before if is_needed is None else not is_needed
            copies += [row.copy] if goes else []
        _delete(connection, copies)
    return len(copies)


def _named(name: KeptName) -> tuple[sa.ColumnElement[bool], ...]:
    file = kept_file_table
    return (
        file.c.app == name.app,
        file.c.environment == name.environment,
        file.c.plan_digest == name.plan_digest,
        file.c.run == name.run,
        file.c.name == name.name,
    )


def _name_of(row: Row) -> KeptName:
    return KeptName(row.app, row.environment, row.plan_digest, row.run, row.name)


def _delete(connection: sa.Connection, copies: Iterable[str]) -> None:
    for copy in copies:
        for table in (kept_chunk_table, kept_file_table):
            connection.execute(sa.delete(table).where(table.c.copy == copy))


def _stamp(codec: Sealed, write: Write) -> str:
    hashing = _Hashing()
    write(hashing)
    return codec.stamp(hashing.digest.hexdigest())


class _Hashing:
    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return len(data)


class _Upload:
    """Takes what is written to it, and stores it in chunks."""

    def __init__(self, database: Database, codec: Sealed, kept: KeptFile) -> None:
        self._database, self._codec, self._kept = database, codec, kept
        self._buffer = bytearray()
        self.chunks = 0

    def write(self, data: bytes) -> int:
        self._buffer += data
        while len(self._buffer) >= _CHUNK_BYTES:
            self._store(bytes(self._buffer[:_CHUNK_BYTES]))
            del self._buffer[:_CHUNK_BYTES]
        return len(data)

    def end(self) -> None:
        """Store the rest. An empty file has one chunk, which is empty."""
        if self._buffer or not self.chunks:
            self._store(bytes(self._buffer))
            self._buffer.clear()

    def _store(self, data: bytes) -> None:
        self.chunks += 1
        sealed = self._codec.seal_bytes(data, *self._kept.place(self.chunks))
        row = {"copy": self._kept.copy, "number": self.chunks, "sealed": sealed}
        # The transaction that completes the copy brings all of them to the disk.
        with self._database.writing(
            self._kept.name.not_kept, durable_at_once=False, alone=False
        ) as connection:
            connection.execute(sa.insert(kept_chunk_table), row)
