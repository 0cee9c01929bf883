"""What tests do to a journal behind its back."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from leanplum_sync.journal import open_journal
from leanplum_sync.journal.schema import batch_table


def shift_doubts(location: str | Path, seconds: float) -> None:
    """
    Have every request be sent, and every doubt arise, later or earlier than it did: nobody wants to wait for the settle
    window.
    """
    with open_journal(location) as journal, journal._writable.writing("") as connection:
        columns = (batch_table.c.sent_at, batch_table.c.doubted_at)
        connection.execute(sa.update(batch_table).values({each.name: each + seconds for each in columns}))
