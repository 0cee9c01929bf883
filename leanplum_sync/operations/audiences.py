"""
Reads audiences: the users who have an attribute, or a value of it, according to an exportUsers job.

Only users whose row shows for sure that they belong are part of the audience, see ``observed/export_rows``. Users whose row can be read
in several ways are left out and counted: nobody should be changed because of a guess.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import IntEnum
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from leanplum_sync.duck import connect
from leanplum_sync.errors import ExportFailedError, StorageError
from leanplum_sync.kinds.expectation import AudienceSize, ExpectedAudience
from leanplum_sync.kinds.rows.source import AUDIENCE_ID, ROWS_FOLDER, AudienceSource, KeptRows, audience_of
from leanplum_sync.observed.export_rows import ExportRow, read_rows
from leanplum_sync.observed.export_snapshot import ExportedFile
from leanplum_sync.operations.read_rows import Reading, scratch_in, with_kept
from leanplum_sync.planner.expectations import Facts, unmet
from leanplum_sync.problem import Problem
from leanplum_sync.sources import file_digest
from leanplum_sync.sources.connections import kept_index
from leanplum_sync.sources.connections.columns import ColumnKind
from leanplum_sync.sources.connections.keeping import COLUMNS_KEY
from leanplum_sync.staging.sql import literal
from leanplum_sync.wire.exported_text import may_be_quoted, may_mean_nothing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from leanplum_sync.operations.exporting import Exporting
    from leanplum_sync.specs import Loaded

_MEMORY_MB: Final = 256
_ROWS_AT_ONCE: Final = 10_000
_ROWS: Final = """
SELECT id, min(belongs) AS least, max(belongs) AS most
FROM read_json({rows}, format = 'newline_delimited', columns = {{'id': 'VARCHAR', 'belongs': 'INTEGER'}})
GROUP BY id
"""


class Belongs(IntEnum):
    """Whether a row shows that its user belongs to an audience."""

    NO = 0
    PERHAPS = 1
    YES = 2


def belongs(row: ExportRow, values: Sequence[str]) -> Belongs:
    """Tell whether *row* is about a user with one of *values*, or with any value if there are none."""
    if values and not row.is_certain:
        return Belongs.PERHAPS if any(value in row.text for value in values) else Belongs.NO
    if values:
        return Belongs.YES if row.text in values else Belongs.NO
    is_sure = row.is_certain or (_is_sure_id(row) and not may_mean_nothing(row.text.strip('"')))
    return Belongs.YES if is_sure else Belongs.PERHAPS


def _is_sure_id(row: ExportRow) -> bool:
    """Whether the userId ends where it seems to: without quotes, a comma may be part of the userId or of the value."""
    is_quoted = row.text.startswith('"') and row.text.endswith('"')
    return not may_be_quoted(row.user_id) and (is_quoted or "," not in row.text)


def read_audiences(
    loaded: Loaded,
    reading: Reading,
    jobs: Exporting,
    target: str,
    expected: Sequence[ExpectedAudience] = (),
) -> Loaded:
    """
    Return *loaded* with the rows of its audiences kept, exported with one job for each attribute, and with a problem for each of those
    *expected* that has too few or too many users. *target* is the app and its host.

    Audiences that were read less than ``reading.max_age_seconds`` ago are not exported again.

    Raises the errors of ``Exporting.export``, and StorageError if there is no room for the rows.
    """
    sources = {
        str(each.address): source
        for each in loaded.resources
        if (source := audience_of(each.source)) is not None
    }
    keys = {name: kept_index.key_of(source, loaded.root, target, {}) for name, source in sources.items()}
    found: dict[str, KeptRows] = {}
    if reading.max_age_seconds is not None:
        since = reading.clock.now() - reading.max_age_seconds
        found = {
            name: kept
            for name, key in keys.items()
            if (kept := kept_index.find(key, loaded.root, since)) is not None
        }
    missing = {name: source for name, source in sources.items() if name not in found}
    remarks: list[Problem] = []
    sizes: dict[ExpectedAudience, AudienceSize] = {}
    attributes = sorted({each.attribute for each in missing.values()} | {each.attribute for each in expected})

    def use(files: Sequence[ExportedFile]) -> None:
        by_attribute = {each.attribute: each for each in files}
        for name, source in missing.items():
            found[name], left_out = _keep(source, by_attribute[source.attribute], loaded.root, scratch, jobs)
            kept_index.note(keys[name], found[name], loaded.root)
            remarks.extend(_remarks(source, found[name].count, left_out))
        for each in expected:
            sizes[each] = _count(each, by_attribute[each.attribute], scratch)

    if attributes:
        with scratch_in(loaded.root) as scratch:
            jobs.use(attributes, scratch, use)
    resources = (
        with_kept(each, found[str(each.address)]) if str(each.address) in found else each
        for each in loaded.resources
    )
    return replace(
        loaded,
        resources=tuple(resources),
        remarks=(*loaded.remarks, *remarks),
        problems=unmet(loaded.resources, Facts(sizes=sizes)) if expected else (),
    )


def _remarks(source: AudienceSource, count: int, left_out: int) -> Iterator[Problem]:
    if left_out:
        users = "1 user is" if left_out == 1 else f"{left_out:,} users are"
        yield Problem(
            source.place,
            f"{users} left out, because the export doesn't show for sure whether they belong to the audience",
            "Values with quotes, commas, or brackets, empty values, and several rows of one user can be read in several ways.",
            source.address,
        )
    if not count:
        yield Problem(
            source.place,
            f"the audience has no users: the export of attribute {source.attribute} shows none",
            "Check the spelling of the attribute and of its values.",
            source.address,
        )


def _keep(
    source: AudienceSource, exported: ExportedFile, root: Path, scratch: Path, jobs: Exporting
) -> tuple[KeptRows, int]:
    """Write the userIds of the audience as rows of connections are kept. Return also how many users were left out."""
    import duckdb  # noqa: PLC0415 - heavy

    folder, part = root / ROWS_FOLDER, scratch / "audience.parquet"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _users(source.values, exported, scratch) as connection:
            columns = orjson.dumps([[AUDIENCE_ID, ColumnKind.TEXT, "userId"]]).decode()
            ids = f'SELECT id AS "{AUDIENCE_ID}" FROM users WHERE least = {Belongs.YES} ORDER BY id'  # noqa: S608 - our own names
            metadata = f"{{{literal(COLUMNS_KEY)}: {literal(columns)}}}"
            connection.execute(
                f"COPY ({ids}) TO {literal(str(part))} (FORMAT parquet, COMPRESSION zstd, KV_METADATA {metadata})"
            )
            found = connection.execute("SELECT * FROM read_parquet(?)", [str(part)])
            digest, count = _digest(chain.from_iterable(iter(partial(found.fetchmany, _ROWS_AT_ONCE), [])))
            left_out = _perhaps(connection)
        quota = jobs.ledger.quota(jobs.owner.app)
        server = f"exportUsers ({quota.left} of the day's {quota.most} jobs left)"
        kept = KeptRows(digest, file_digest(part), count, exported.asked_at, server, {})
        part.chmod(0o600)
        _make_durable(part)
        part.replace(root / kept.path)
    except (OSError, duckdb.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise StorageError(
            f"{folder}: the rows can't be kept: {reason}. Free some space on the disk."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return kept, left_out


def _count(expected: ExpectedAudience, exported: ExportedFile, scratch: Path) -> AudienceSize:
    with _users(expected.values, exported, scratch) as connection:
        sure = connection.execute("SELECT count(*) FROM users WHERE least = ?", [Belongs.YES]).fetchone()
        return AudienceSize(sure[0] if sure else 0, _perhaps(connection))


def _perhaps(connection: DuckDBPyConnection) -> int:
    """Return how many users can't be told to belong or not to."""
    found = connection.execute(
        "SELECT count(*) FROM users WHERE least < ? AND most > ?", [Belongs.YES, Belongs.NO]
    ).fetchone()
    return found[0] if found else 0


@contextmanager
def _users(values: Sequence[str], exported: ExportedFile, scratch: Path) -> Iterator[DuckDBPyConnection]:
    """Yield a database with the table ``users``: the least and the most that the rows of each say about belonging."""
    rows = scratch / "audience.ndjson"
    try:
        with rows.open("wb") as file:
            file.writelines(_encoded(values, exported))
        with connect(memory_limit_mb=_MEMORY_MB, spill=scratch / "audience.spill") as connection:
            connection.execute(f"CREATE TABLE users AS {_ROWS.format(rows=literal(str(rows)))}")
            yield connection
    finally:
        rows.unlink(missing_ok=True)


def _encoded(values: Sequence[str], exported: ExportedFile) -> Iterator[bytes]:
    try:
        for path in exported.paths:
            for row in read_rows(path):
                yield orjson.dumps(
                    {"id": row.user_id, "belongs": belongs(row, values)}, option=orjson.OPT_APPEND_NEWLINE
                )
    except ExportFailedError as error:
        raise ExportFailedError(str(error), attribute=exported.attribute) from None


def _digest(rows: Iterator[tuple[str]]) -> tuple[str, int]:
    """Return a digest of the sorted userIds, and their number."""
    digest, count = hashlib.sha256(b"leanplum-sync audience"), 0
    for (user_id,) in rows:
        text = user_id.encode()
        digest.update(len(text).to_bytes(4) + text)
        count += 1
    return digest.hexdigest(), count


def _make_durable(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
