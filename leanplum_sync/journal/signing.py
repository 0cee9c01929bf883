"""
Signatures of the records that decide whether something is sent again. With a key in ``LEANPLUM_SYNC_PLAN_KEY``, a record that was
made without it, or altered, is refused.

A signature is a keyed digest (HMAC-SHA256). Three kinds of records have one:

- a batch: its row, its exceptions and its deliveries;
- a run: its row, which counts its batches, and the plans that resumed it;
- the journal: its id and mark, the number of its runs, accepted apps and renames of deliveries.

It covers the journal's id and the place of the record, so a record that was copied from elsewhere is refused. The counts show
deleted batches and deliveries. One thing is not noticed: a record that is replaced, together with its signature, by an earlier
state of itself. For the journal as a whole, its mark shows that.

A transaction checks each record before it changes it, and signs what it changed before it commits.
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby, islice
from operator import itemgetter
from typing import Final, cast

import sqlalchemy as sa

from leanplum_sync.encryption import KEY_VARIABLE, Codec, SealingKeys
from leanplum_sync.errors import JournalCorruptError
from leanplum_sync.journal import signed
from leanplum_sync.journal.schema import (
    batch_table,
    deliveries_of_batch,
    delivery_table,
    exception_table,
    identity_table,
    run_table,
)
from leanplum_sync.journal.signed import Record
from leanplum_sync.journal.soundness import Fault

_PURPOSE: Final = "journal rows"
_CHANGES: Final = "leanplum_sync_changes"
_PAGE: Final = 200
_ALTERED: Final = f"was altered, or written without {KEY_VARIABLE}"
_INVALID: Final = "has a value that leanplum-sync never writes"
_UNSIGNED: Final = f"was created without {KEY_VARIABLE}, so altered records would not be noticed"


class Signer:
    """Checks and makes signatures with *keys*; without keys, it does neither. *name* begins the sentence of an error."""

    def __init__(self, name: str, keys: SealingKeys) -> None:
        self._name, self._keys = name, keys
        self._codec = keys.to_seal(b"", _PURPOSE)
        self._codecs: dict[str, Codec] = {
            key_id: keys.to_open(key_id, b"", _PURPOSE, name) for key_id in keys.ids()
        }

    @property
    def is_on(self) -> bool:
        return bool(self._codecs)

    def key_of(self, connection: sa.Connection) -> str:
        """
        Return the id of the key that the journal is signed with, empty if it is not signed.

        Raises:
            CredentialError: that key is not here.
        """
        column = sa.type_coerce(identity_table.c.signature, sa.types.NullType())
        signature = connection.scalar(sa.select(column))
        key_id = signature.partition(":")[0] if isinstance(signature, str) else ""
        self._keys.to_open(key_id, b"", _PURPOSE, f"{self._name} is signed")
        return key_id

    def check_journal(self, connection: sa.Connection) -> None:
        """
        Check the journal's identity, all runs, and that no batch or delivery is missing.

        Raises:
            JournalCorruptError: something was altered.
        """
        self._raise_first(self._faults_of_journal(connection))

    def check_identity(self, connection: sa.Connection) -> None:
        self._raise_first(self._faults_of_identity(connection))

    def check_run(self, connection: sa.Connection, number: int) -> None:
        self._raise_first(self._faults_of_runs(connection, [number]))

    def check_batches(self, connection: sa.Connection, places: Iterable[tuple[int, int]]) -> None:
        """
        Check the batches at *places*, each a run and a sequence. A batch that doesn't exist has no exceptions or deliveries.

        Raises:
            JournalCorruptError: one of them was altered.
        """
        if self.is_on:
            self._raise_first(self._faults_of_batches(connection, sorted(places)))

    def check_whole(self, connection: sa.Connection) -> None:
        self._raise_first(self._faults_of_all(connection))

    def faults(self, connection: sa.Connection) -> Iterator[Fault]:
        """Yield each record of the whole journal that is not as it was signed."""
        if not self.is_on:
            return
        if self.key_of(connection):
            yield from self._faults_of_all(connection)
        else:
            yield Fault(0, None, _UNSIGNED)

    def _faults_of_all(self, connection: sa.Connection) -> Iterator[Fault]:
        yield from self._faults_of_journal(connection)
        yield from self._faults_of_batches(connection, all_batches(connection))

    def unsigned(self) -> JournalCorruptError:
        return JournalCorruptError(
            f"{self._name} {_UNSIGNED}. Nothing was done. If this journal was never used with the key, sign it:"
            " leanplum-sync journal sign. If it was, someone removed its signature: restore the journal from a backup."
        )

    def signature(self, record: Record, run: int = 0, batch: int | None = None) -> str:
        """
        Return the signature of *record*. *run* and *batch* say where it is, as in a ``Fault``.

        Raises:
            JournalCorruptError: it has a value that we never write.
        """
        text = record.text()
        if text is None:
            raise self._error(Fault(run, batch, _INVALID))
        return f"{self._codec.key_id}:{self._codec.stamp(text)}"

    def _accepts(self, record: Record) -> bool:
        signature, text = record.signature, record.text()
        if not isinstance(signature, str) or text is None:
            return False
        key_id, _, digest = signature.partition(":")
        codec = self._codecs.get(key_id)
        return codec is not None and hmac.compare_digest(codec.stamp(text), digest)

    def _faults_of_journal(self, connection: sa.Connection) -> Iterator[Fault]:
        yield from self._faults_of_identity(connection)
        batch = batch_table.c
        counts = sa.select(batch.run, sa.func.count().label("batches")).group_by(batch.run)
        batches = {row.run: row.batches for row in connection.execute(counts)}
        begun = {
            row.number: row.begun
            for row in connection.execute(sa.select(run_table.c.number, run_table.c.begun))
        }
        yield from self._faults_of_runs(connection, begun)
        for run in sorted(batches.keys() | begun.keys()):
            if batches.get(run, 0) != begun.get(run):
                yield Fault(
                    run,
                    None,
                    f"has the wrong number of batches: {batches.get(run, 0)}, not {begun.get(run, 0)}",
                )
        found = deliveries_of_batch()
        lost = sa.select(batch.run, batch.sequence, batch.deliveries, found.label("found"))
        for row in connection.execute(lost.where(batch.deliveries > 0, batch.deliveries != found)):
            yield Fault(
                row.run,
                row.sequence,
                f"has the wrong number of deliveries: {row.found}, not {row.deliveries}",
            )

    def _faults_of_identity(self, connection: sa.Connection) -> Iterator[Fault]:
        if not self._accepts(signed.identity(connection)):
            yield Fault(0, None, _ALTERED)

    def _faults_of_runs(self, connection: sa.Connection, numbers: Iterable[int]) -> Iterator[Fault]:
        for page in _pages(numbers):
            for number, record in signed.runs(connection, page).items():
                if not self._accepts(record):
                    yield Fault(number, None, _ALTERED)

    def _faults_of_batches(
        self, connection: sa.Connection, places: Iterable[tuple[int, int]]
    ) -> Iterator[Fault]:
        for run, sequences in _by_run(places):
            for sequence, record in signed.batches(connection, run, sequences).items():
                if not record.is_absent and not self._accepts(record):
                    yield Fault(run, sequence, _ALTERED)

    def _raise_first(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            raise self._error(fault)

    def _error(self, fault: Fault) -> JournalCorruptError:
        place = f"run {fault.run}" if fault.run else "its identity"
        place = place if fault.batch is None else f"batch {fault.batch} of {place}"
        return JournalCorruptError(
            f"{self._name}: {place} {fault.sentence}. The command stopped without changing anything. Restore the journal from a backup."
        )


@dataclass(slots=True)
class Changes:
    """
    What a transaction changes. Tell it before a record is changed, or right after it was created.

    Without keys, it does nothing.
    """

    connection: sa.Connection
    signer: Signer
    batches: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    runs: set[int] = field(default_factory=set)
    is_journal: bool = False

    def batch(self, run: int, sequence: int) -> None:
        if self.signer.is_on and sequence not in self.batches[run]:
            self.signer.check_batches(self.connection, [(run, sequence)])
            self.batches[run].add(sequence)

    def new_batch(self, run: int, sequence: int) -> None:
        """Its run counts it. Nothing may belong to it yet."""
        self.batch(run, sequence)
        self.run(run)
        if self.signer.is_on:
            counted = sa.update(run_table).where(run_table.c.number == run)
            self.connection.execute(counted.values(begun=run_table.c.begun + 1))

    def run(self, number: int) -> None:
        if self.signer.is_on and number not in self.runs:
            self.signer.check_run(self.connection, number)
            self.runs.add(number)

    def new_run(self, number: int) -> None:
        """The journal counts it: call ``journal`` before the run is written."""
        self.runs.add(number)

    def journal(self) -> None:
        if self.signer.is_on and not self.is_journal:
            self.signer.check_identity(self.connection)
            signed.forget(self.connection)
            self.is_journal = True

    def sign(self) -> None:
        if not self.signer.is_on:
            return
        places = [(run, sequence) for run, sequences in self.batches.items() for sequence in sequences]
        sign_batches(self.connection, self.signer, sorted(places))
        sign_runs(self.connection, self.signer, sorted(self.runs))
        if self.is_journal:
            sign_identity(self.connection, self.signer)


@contextmanager
def signing(connection: sa.Connection, signer: Signer) -> Iterator[None]:
    """Sign what changes within this block, at its end. The transaction is committed after it."""
    info = connection.info
    info[_CHANGES] = changes = Changes(connection, signer)
    try:
        with signed.remembering(connection):
            yield
            changes.sign()
    finally:
        del info[_CHANGES]


def changes_of(connection: sa.Connection) -> Changes:
    """Return the changes of the writing transaction of *connection*."""
    return cast("Changes", connection.info[_CHANGES])


def sign_batches(connection: sa.Connection, signer: Signer, places: Iterable[tuple[int, int]]) -> None:
    table = batch_table
    this = (table.c.run == sa.bindparam("of_run"), table.c.sequence == sa.bindparam("of_sequence"))
    statement = sa.update(table).where(*this).values(signature=sa.bindparam("to_signature"))
    for run, sequences in _by_run(places):
        records = signed.batches(connection, run, sequences)
        connection.execute(
            statement,
            [
                {
                    "of_run": run,
                    "of_sequence": sequence,
                    "to_signature": signer.signature(record, run, sequence),
                }
                for sequence, record in records.items()
            ],
        )


def sign_runs(connection: sa.Connection, signer: Signer, numbers: Iterable[int]) -> None:
    this = run_table.c.number == sa.bindparam("of_number")
    statement = sa.update(run_table).where(this).values(signature=sa.bindparam("to_signature"))
    for page in _pages(numbers):
        records = signed.runs(connection, page)
        connection.execute(
            statement,
            [
                {"of_number": number, "to_signature": signer.signature(record, number)}
                for number, record in records.items()
            ],
        )


def sign_identity(connection: sa.Connection, signer: Signer) -> None:
    signature = signer.signature(signed.identity(connection))
    connection.execute(sa.update(identity_table).values(signature=signature))


def all_batches(connection: sa.Connection) -> Iterator[tuple[int, int]]:
    """Yield the place of each batch, sorted, also of batches that don't exist but have deliveries or exceptions."""
    tables = (batch_table, exception_table, delivery_table)
    places = sa.union(*(sa.select(table.c.run, table.c.sequence) for table in tables))
    query = places.order_by("run", "sequence")
    yield from ((row.run, row.sequence) for row in connection.execute(query))


def _by_run(places: Iterable[tuple[int, int]]) -> Iterator[tuple[int, Sequence[int]]]:
    """Yield sorted *places* in pages, each with its run."""
    for run, group in groupby(places, key=itemgetter(0)):
        for page in _pages(sequence for _, sequence in group):
            yield run, page


def _pages(numbers: Iterable[int]) -> Iterator[Sequence[int]]:
    rest = iter(numbers)
    while page := list(islice(rest, _PAGE)):
        yield page
