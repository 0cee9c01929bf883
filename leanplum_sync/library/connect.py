"""Connects to the app of an environment; starts the embedded emulator if the environment has one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from leanplum_sync.client.calls import Calls, OnRetry, nobody
from leanplum_sync.client.credentials import EMULATOR_APP_ID, EMULATOR_KEYS, Connection, Keys
from leanplum_sync.client.exporter import Exporter
from leanplum_sync.client.http import HttpTransport
from leanplum_sync.client.reader import Reader
from leanplum_sync.clock import SystemClock
from leanplum_sync.emulator import EmulatorError, StateFileError, running
from leanplum_sync.errors import CredentialError, EmulatorSetupError, StorageError
from leanplum_sync.library.access import connection_to, keys_of, missing_access
from leanplum_sync.library.costs import Costs
from leanplum_sync.planner.plan import EMBEDDED, Target
from leanplum_sync.project.model import EmbeddedEnvironment
from leanplum_sync.project.settings import Settings
from leanplum_sync.wire.catalogue import KeyClass

SETTLES_SECONDS: Final = 60.0
# An emulator queues nothing for longer than it takes to answer; the embedded one ends with the process.
EMULATOR_SETTLES_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class App:
    """
    A connection to an app. It gives out what reads; what writes is made in one place, where plans are applied.

    *target* is what plans are bound to and people are shown.
    """

    target: Target
    connection: Connection
    keys: Keys
    transport: HttpTransport
    calls: Calls
    costs: Costs
    variables_user: str | None = None

    def reader(self) -> Reader:
        return Reader(self.calls, variables_user=self.variables_user)

    def exporter(self) -> Exporter:
        return Exporter(self.calls, self.transport, is_local=self.connection.is_local)


def target_of(settings: Settings) -> Target:
    """Return the app and host of the environment, without connecting to it."""
    environment = settings.environment
    if isinstance(environment, EmbeddedEnvironment):
        return Target(
            environment=settings.name,
            host=EMBEDDED,
            app_id=EMULATOR_APP_ID,
            is_emulator=True,
            writes=environment.writes,
        )
    connection = connection_to(environment, os.environ)
    host = urlsplit(connection.base_url).hostname or ""
    return Target(
        environment=settings.name,
        host=host,
        app_id=connection.app_id,
        is_emulator=connection.is_emulator,
        writes=environment.writes,
    )


def settle_seconds(settings: Settings) -> float:
    """Return how long a request whose response was lost may still take effect there."""
    if isinstance(settings.environment, EmbeddedEnvironment):
        return 0.0
    return EMULATOR_SETTLES_SECONDS if target_of(settings).is_emulator else SETTLES_SECONDS


@contextmanager
def connected(
    settings: Settings,
    on_changed_seed: Callable[[Path], None] = lambda _: None,
    *,
    command: str,
    needs: Collection[KeyClass] = (),
    on_retry: OnRetry = nobody,
    warn: Callable[[str], None] = lambda _: None,
    allowed_lookups: int | None = None,
) -> Iterator[App]:
    """
    Connect to the app, and start the embedded emulator if it is the environment's.

    What the requests cost is recorded in the journal as the cost of *command*; *warn* is called if it can't be. *allowed_lookups*
    replaces the budget of the month, None for the project's.

    *needs* are keys that will be used: they are checked now, so that one error names all that are missing.
    *on_retry* is called before each wait for another attempt to reach the API.
    *on_changed_seed* is called with the emulator's state file if its seed files changed after they filled it.
    """

    def recording(target: Target) -> Costs:
        return Costs(settings, target, command, SystemClock(), warn=warn, allowed=allowed_lookups)

    environment = settings.environment
    if not isinstance(environment, EmbeddedEnvironment):
        if missing := missing_access(environment, needs):
            raise CredentialError(" ".join(missing))
        keys, connection = keys_of(environment, os.environ), connection_to(environment, os.environ)
        with (
            HttpTransport(is_local=connection.is_local) as transport,
            closing(recording(target_of(settings))) as costs,
        ):
            app = _app(target_of(settings), connection, keys, transport, costs=costs, on_retry=on_retry)
            yield replace(app, variables_user=settings.variables_user)
        return
    target = target_of(settings)
    settings.state_folder.mkdir(parents=True, exist_ok=True)
    seeds = [settings.root / seed for seed in environment.seed]
    state = settings.state_folder / "emulator.db"
    is_new = not state.exists()
    try:
        emulator = running(state=state, seeds=seeds)
        with (
            emulator as answering,
            HttpTransport(is_local=True) as transport,
            closing(recording(target)) as costs,
        ):
            if _have_changed(seeds, state, is_new=is_new):
                on_changed_seed(state)
            connection = Connection.to_emulator(answering.url)
            app = _app(target, connection, Keys.of(EMULATOR_KEYS), transport, costs=costs)
            yield replace(app, variables_user=settings.variables_user)
    except StateFileError as error:
        raise StorageError(str(error)) from error
    except EmulatorError as error:
        raise EmulatorSetupError(str(error)) from error


def _app(
    target: Target,
    connection: Connection,
    keys: Keys,
    transport: HttpTransport,
    *,
    costs: Costs,
    on_retry: OnRetry = nobody,
) -> App:
    calls = Calls(connection, keys, transport, SystemClock(), on_retry=on_retry, on_spent=costs.spend)
    return App(target, connection, keys, transport, calls, costs)


def _have_changed(seeds: Sequence[Path], state: Path, *, is_new: bool) -> bool:
    """Compare *seeds* with the files that filled the emulator; record them if it is new."""
    record = state.with_name(f"{state.name}.seeds")
    found = "".join(f"{_digest(seed)}\n" for seed in seeds).encode()
    if is_new or not record.exists():
        record.write_bytes(found)
        return False
    return record.read_bytes() != found


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return "none"  # an emulator that has its users no longer needs the seed
