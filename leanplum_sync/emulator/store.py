"""
The state of the emulated app in an SQLite database: users, devices, messages and so on, and the counts.

With a path it is a file in WAL mode: what was acknowledged survives a crash of the process, and two
processes can share one app. Without one it is a temporary database, which SQLite keeps in its cache and
beyond that in an unnamed file. Every request is one transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson

from leanplum_sync.emulator.errors import EmulatorError, StateFileError
from leanplum_sync.emulator.user import User

FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS user (user_id TEXT PRIMARY KEY, doc BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS device (device_id TEXT PRIMARY KEY, user_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS thing (kind TEXT, key TEXT, doc BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (name TEXT, key TEXT, n INTEGER NOT NULL, PRIMARY KEY (name, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sent (message_id TEXT, user_id TEXT, n INTEGER NOT NULL, PRIMARY KEY (message_id, user_id))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS increment (user_id TEXT, attribute TEXT, n INTEGER NOT NULL, PRIMARY KEY (user_id, attribute))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS occurrence (user_id TEXT, occurrence TEXT, n INTEGER NOT NULL, PRIMARY KEY (user_id, occurrence))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session (id INTEGER PRIMARY KEY, user_id TEXT, started REAL, ended REAL, doc BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS file (name TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS name (kind TEXT, name TEXT, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch (id INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL, doc BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS batch_uuid ON batch (uuid);
CREATE INDEX IF NOT EXISTS device_user ON device (user_id);
CREATE INDEX IF NOT EXISTS session_user ON session (user_id);
CREATE INDEX IF NOT EXISTS session_ended ON session (ended);
"""
_STATE_TABLES = ("user", "device", "thing", "session", "file", "name", "batch")
_COUNT_TABLES = ("counter", "sent", "increment", "occurrence")
# Long enough for another process to load a large seed; its requests take milliseconds.
_LOCK_WAIT_SECONDS = 60
_PAGE = 1000
# Repeats come soon. Without a limit the table would only grow.
ANSWERED_BATCHES = 10_000
_FIELDS_OF_USER = itemgetter(*(field.name for field in fields(User)))
_CACHE_KIB = 8 * 1024
_MAX_VARIABLES = 500


class _Reads:
    """What can be read with and without a transaction."""

    _db: sqlite3.Connection

    def owner(self, device_id: str) -> str | None:
        row = self._db.execute("SELECT user_id FROM device WHERE device_id=?", (device_id,)).fetchone()
        return None if row is None else row[0]

    def things(self, kind: str) -> dict[str, Any]:
        rows = self._db.execute("SELECT key, doc FROM thing WHERE kind=? ORDER BY key", (kind,))
        return {key: orjson.loads(doc) for key, doc in rows}

    def file(self, name: str) -> bytes | None:
        row = self._db.execute("SELECT content FROM file WHERE name=?", (name,)).fetchone()
        return None if row is None else bytes(row[0])


class Store(_Reads):
    """One app's state. Used by one thread at a time."""

    def __init__(self, path: Path | None) -> None:
        self._db = _connected(path)
        try:
            self._prepare(path)
        except sqlite3.Error as error:
            self._db.close()
            raise _unusable(path, error) from error
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, path: Path | None) -> None:
        self._db.execute(f"PRAGMA journal_mode={'MEMORY' if path is None else 'WAL'}")
        self._db.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        # A commit then survives a crash of the process, though not of the machine.
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._check_format(path)
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version={FORMAT}")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _check_format(self, path: Path | None) -> None:
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found > FORMAT:
            raise EmulatorError(
                f"The emulator's state file {path} was written by a newer version of leanplum-sync (format {found}; this version supports {FORMAT}). Use the newer version, or another state file."
            )

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit everything the block did, or nothing if it raises."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            transaction = Transaction(self._db)
            yield transaction
            transaction.flush()
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def users(self) -> Iterator[User]:
        """Yield every user, sorted by id; writes in between are seen or not."""
        last: str | None = None
        while True:
            rows = self._db.execute(
                "SELECT user_id, doc FROM user WHERE ? IS NULL OR user_id > ? ORDER BY user_id LIMIT ?",
                (last, last, _PAGE),
            ).fetchall()
            if not rows:
                return
            for last, doc in rows:  # noqa: B007 (read by the next round's query)
                yield _user(doc)

    def counters(self) -> dict[tuple[str, str], int]:
        return {(name, key): n for name, key, n in self._db.execute("SELECT name, key, n FROM counter")}

    def sent(self) -> Iterator[tuple[str, str, int]]:
        yield from self._db.execute("SELECT message_id, user_id, n FROM sent")

    def sent_totals(self) -> Iterator[tuple[str, int, int, int]]:
        """Yield per message: id, how many sends, how many users, how many of these got more than one."""
        yield from self._db.execute(
            "SELECT message_id, sum(n), count(*), sum(n > 1) FROM sent GROUP BY message_id"
        )

    def increments(self) -> Iterator[tuple[str, str, int]]:
        yield from self._db.execute("SELECT user_id, attribute, n FROM increment")

    def increment_totals(self) -> tuple[int, int]:
        """Return how many increments there were, and on how many users."""
        total, users = self._db.execute("SELECT total(n), count(DISTINCT user_id) FROM increment").fetchone()
        return int(total), users

    def occurrences(self) -> Iterator[tuple[str, str, int, int]]:
        """Yield per user and event: how often it was counted, and how often something equal to an earlier one was."""
        yield from self._db.execute(
            "SELECT user_id, json_extract(occurrence, '$[0]') AS event, sum(n), sum(n - 1)"
            " FROM occurrence GROUP BY user_id, event"
        )

    def occurrence_totals(self) -> Iterator[tuple[str, int, int, int]]:
        """Yield per event: how often it was counted, for how many users, and how often something equal was counted again."""
        yield from self._db.execute(
            "SELECT json_extract(occurrence, '$[0]') AS event, sum(n), count(DISTINCT user_id), sum(n - 1)"
            " FROM occurrence GROUP BY event"
        )

    def close(self) -> None:
        self._db.close()


class Transaction(_Reads):
    """One request's view of the store. Users read are kept, so later actions see what earlier ones did."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._users: dict[str, User | None] = {}
        self._changed: dict[str, User | None] = {}
        self._answered: dict[str, dict[str, Any]] = {}
        self._new_answers: dict[str, dict[str, Any]] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._sent: dict[tuple[str, str], int] = {}
        self._increments: dict[tuple[str, str], int] = {}
        self._occurrences: dict[tuple[str, str], int] = {}
        self._triggered: dict[str, Any] | None = None

    def fetch(self, user_ids: Iterable[str]) -> None:
        """Read many users at once; ``user`` then finds them."""
        wanted = [user_id for user_id in user_ids if user_id not in self._users]
        for start in range(0, len(wanted), _MAX_VARIABLES):
            some = wanted[start : start + _MAX_VARIABLES]
            marks = ",".join("?" * len(some))
            self._users.update(dict.fromkeys(some))
            query = f"SELECT user_id, doc FROM user WHERE user_id IN ({marks})"  # noqa: S608 (question marks only)
            self._users.update((user_id, _user(doc)) for user_id, doc in self._db.execute(query, some))

    def user(self, user_id: str) -> User | None:
        if user_id not in self._users:
            self.fetch([user_id])
        return self._users[user_id]

    def put(self, user: User) -> None:
        self._users[user.user_id] = self._changed[user.user_id] = user

    def remove(self, user_id: str) -> None:
        self._users[user_id] = self._changed[user_id] = None
        self._db.execute("DELETE FROM device WHERE user_id=?", (user_id,))

    def assign(self, device_id: str, user_id: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO device VALUES (?, ?)", (device_id, user_id))

    def hand_over(self, old_user_id: str, new_user_id: str) -> None:
        self._db.execute("UPDATE device SET user_id=? WHERE user_id=?", (new_user_id, old_user_id))

    def thing(self, kind: str, key: str) -> Any:
        row = self._db.execute("SELECT doc FROM thing WHERE kind=? AND key=?", (kind, key)).fetchone()
        return None if row is None else orjson.loads(row[0])

    def put_thing(self, kind: str, key: str, doc: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO thing VALUES (?, ?, ?)", (kind, key, orjson.dumps(doc)))

    def remove_thing(self, kind: str, key: str) -> None:
        self._db.execute("DELETE FROM thing WHERE kind=? AND key=?", (kind, key))

    def add_name(self, kind: str, name: str, limit: int) -> bool:
        """Note a name the app uses; False if it is new and there are *limit* already."""
        known = self._db.execute("SELECT 1 FROM name WHERE kind=? AND name=?", (kind, name)).fetchone()
        if known is not None:
            return True
        (count,) = self._db.execute("SELECT count(*) FROM name WHERE kind=?", (kind,)).fetchone()
        if count >= limit:
            return False
        self._db.execute("INSERT INTO name VALUES (?, ?)", (kind, name))
        return True

    def answered(self, uuid: str, req_id: str) -> Any:
        """Return the element an action with these ids got before, as far back as such answers are kept."""
        if uuid not in self._answered:
            rows = self._db.execute("SELECT doc FROM batch WHERE uuid=?", (uuid,))
            self._answered[uuid] = {
                known: _plain(known) if element is True else element
                for (doc,) in rows
                for known, element in orjson.loads(doc).items()
            }
        return self._answered[uuid].get(req_id)

    def remember_answer(self, uuid: str, req_id: str, element: Any) -> None:
        self._answered.setdefault(uuid, {})[req_id] = element
        self._new_answers.setdefault(uuid, {})[req_id] = element

    def log_session(self, user_id: str, started: float, ended: float, record: Any) -> None:
        self._db.execute(
            "INSERT INTO session (user_id, started, ended, doc) VALUES (?, ?, ?, ?)",
            (user_id, started, ended, orjson.dumps(record)),
        )

    def erase_sessions(self, user_id: str) -> None:
        self._db.execute("DELETE FROM session WHERE user_id=?", (user_id,))

    def sessions(self, first: float, last: float) -> list[Any]:
        """Return the records of sessions that began from *first* up to but not at *last*."""
        rows = self._db.execute(
            "SELECT doc FROM session WHERE started >= ? AND started < ? ORDER BY id", (first, last)
        )
        return [orjson.loads(doc) for (doc,) in rows]

    def users_in_session(self) -> list[User]:
        """Return the users who have a session, ended by itself or not."""
        rows = self._db.execute("SELECT doc FROM user WHERE instr(doc, '\"sessions\":{}') = 0")
        return [_user(doc) for (doc,) in rows]

    def all_users(self) -> Iterator[User]:
        for (doc,) in self._db.execute("SELECT doc FROM user ORDER BY user_id"):
            yield _user(doc)

    def put_file(self, name: str, content: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO file VALUES (?, ?)", (name, content))

    def count(self, name: str, key: str = "", n: int = 1) -> None:
        self._counts[name, key] = self._counts.get((name, key), 0) + n

    def count_sent(self, message_id: str, user_id: str) -> None:
        self._sent[message_id, user_id] = self._sent.get((message_id, user_id), 0) + 1

    def count_increment(self, user_id: str, attribute: str) -> None:
        self._increments[user_id, attribute] = self._increments.get((user_id, attribute), 0) + 1

    def triggered(self) -> dict[str, Any]:
        """Return the active messages that have ``serverTriggers``, and are not sent manually."""
        if self._triggered is None:
            self._triggered = {
                key: message
                for key, message in self.things("message").items()
                if message.get("serverTriggers")
                and message.get("active", True)
                and str(message.get("delivery", "triggered")).lower() != "manual"
            }
        return self._triggered

    def count_occurrence(self, user_id: str, event: str, *details: Any) -> None:
        """Count an event. One with the same *details* is a duplicate."""
        key = user_id, orjson.dumps([event, *details], option=orjson.OPT_SORT_KEYS).decode()
        self._occurrences[key] = self._occurrences.get(key, 0) + 1

    def forget(self, *, state: bool, counts: bool) -> None:
        for table in (*(_STATE_TABLES if state else ()), *(_COUNT_TABLES if counts else ())):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 (our own table names)
        if state:
            self._users.clear()
            self._changed.clear()

    def flush(self) -> None:
        """Write what was gathered. Called at the commit, and by bulk loads in between."""
        put = [(user_id, orjson.dumps(user)) for user_id, user in self._changed.items() if user is not None]
        gone = [(user_id,) for user_id, user in self._changed.items() if user is None]
        run = self._db.executemany
        if put:
            run("INSERT INTO user VALUES (?, ?) ON CONFLICT DO UPDATE SET doc=excluded.doc", put)
        if gone:
            run("DELETE FROM user WHERE user_id=?", gone)
        for uuid, elements in self._new_answers.items():
            # Most are plain successes: written out, remembering them took a fifth of the time of a batch.
            short = {known: element == _plain(known) or element for known, element in elements.items()}
            added = self._db.execute(
                "INSERT INTO batch (uuid, doc) VALUES (?, ?)", (uuid, orjson.dumps(short))
            )
            oldest = (added.lastrowid or 0) - ANSWERED_BATCHES
            self._db.execute("DELETE FROM batch WHERE id <= ?", (oldest,))
        for table, counts in (
            ("counter", self._counts),
            ("sent", self._sent),
            ("increment", self._increments),
            ("occurrence", self._occurrences),
        ):
            if counts:
                query = f"INSERT INTO {table} VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n=n+excluded.n"  # noqa: S608 (our own table names)
                run(query, ((*key, n) for key, n in counts.items()))
                counts.clear()
        self._changed.clear()
        self._users.clear()
        self._new_answers.clear()


def _connected(path: Path | None) -> sqlite3.Connection:
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        return sqlite3.connect(
            path or "", timeout=_LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
    except (sqlite3.Error, OSError) as error:
        raise _unusable(path, error) from error


def _unusable(path: Path | None, error: Exception) -> StateFileError:
    return StateFileError(f"The emulator's state file {path} can't be used: {error}.")


def _plain(req_id: str) -> dict[str, Any]:
    return {"success": True, "reqId": req_id}


def _user(doc: bytes) -> User:
    # Four times as fast as giving sixteen arguments by name, and a request has up to fifty users.
    return User(*_FIELDS_OF_USER(orjson.loads(doc)))
