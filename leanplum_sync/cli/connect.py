"""Opens the app behind an environment, its own emulator included."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from leanplum_sync.cli.context import remembered
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.shell import shortest
from leanplum_sync.client.credentials import APP_ID_VARIABLE, EMULATOR_APP_ID, EMULATOR_KEYS, Connection, Keys
from leanplum_sync.client.http import HttpTransport
from leanplum_sync.client.reader import Reader
from leanplum_sync.clock import SystemClock
from leanplum_sync.emulator import EmulatorError, StateFileError, running
from leanplum_sync.errors import EmulatorSetupError, StorageError
from leanplum_sync.planner.plan import Target
from leanplum_sync.project.model import EmbeddedEnvironment, FromVariable, LiveEnvironment
from leanplum_sync.project.settings import Settings
from leanplum_sync.wire.catalogue import KeyClass

SETTLES_SECONDS: Final = 60.0
# An emulator queues nothing for longer than it takes to answer; the embedded one ends with the process.
_EMULATOR_SETTLES_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class App:
    """
    A way to an app. What reads can be had here; what writes is made where it is needed, in ``apply`` alone.

    *target* is what plans are bound to and people are shown.
    """

    target: Target
    connection: Connection
    keys: Keys
    transport: HttpTransport

    def reader(self) -> Reader:
        return Reader(self.connection, self.keys, self.transport, SystemClock())


def target_of(settings: Settings) -> Target:
    """Return whom the environment stands for, without a connection to it."""
    environment = settings.environment
    if isinstance(environment, EmbeddedEnvironment):
        return Target(EMULATOR_APP_ID, settings.name, "embedded emulator", is_emulator=True)
    connection = connection_to(environment, os.environ)
    host = urlsplit(connection.base_url).hostname or ""
    return Target(connection.app_id, settings.name, host, is_emulator=connection.is_emulator)


def settle_seconds(settings: Settings) -> float:
    """Return how long a request whose answer was lost may still take effect there."""
    if isinstance(settings.environment, EmbeddedEnvironment):
        return 0.0
    return _EMULATOR_SETTLES_SECONDS if target_of(settings).is_emulator else SETTLES_SECONDS


@contextmanager
def connected(settings: Settings) -> Iterator[App]:
    """Start the embedded emulator if it is the environment's, and hand out a way to the app."""
    environment = settings.environment
    target = target_of(settings)
    if not isinstance(environment, EmbeddedEnvironment):
        connection = connection_to(environment, os.environ)
        with HttpTransport(is_local=connection.is_local) as transport:
            yield App(target, connection, keys_of(environment, os.environ), transport)
        return
    settings.state_folder.mkdir(parents=True, exist_ok=True)
    seeds = [settings.root / seed for seed in environment.seed]
    state = settings.state_folder / "emulator.db"
    is_new = not state.exists()
    try:
        emulator = running(state=state, seeds=seeds)
        with emulator as answering, HttpTransport(is_local=True) as transport:
            _compare_seeds(state, seeds, is_new=is_new)
            yield App(target, Connection.to_emulator(answering.url), Keys.of(EMULATOR_KEYS), transport)
    except StateFileError as error:
        raise StorageError(str(error)) from error
    except EmulatorError as error:
        raise EmulatorSetupError(str(error)) from error


def _compare_seeds(state: Path, seeds: Sequence[Path], *, is_new: bool) -> None:
    """Say so if the seeds are not those that filled the emulator: what is in them now, it doesn't know."""
    record = state.with_name(f"{state.name}.seeds")
    found = "".join(f"{_digest(seed)}\n" for seed in seeds)
    if is_new or not record.exists():
        record.write_text(found)
    elif record.read_text() != found:
        Console.for_this_process(quiet=bool(remembered("quiet"))).say(
            f"The emulator's seed changed after it was read. To start anew from it: rm {shortest(state)}*"
        )


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return "none"  # an emulator that was filled needs its seed no more


def connection_to(environment: LiveEnvironment, environ: Mapping[str, str]) -> Connection:
    """
    Raises:
        CredentialError: the app's id is missing, or ``LEANPLUM_API_URL`` is no good.
    """
    match environment.app_id:
        case FromVariable() as variable:
            name = variable.name
            return Connection.from_environment(
                {**environ, name: variable.text(environ)}, app_id_variable=name
            )
        case str() as app_id:
            return Connection.from_environment({**environ, APP_ID_VARIABLE: app_id})


def keys_of(environment: LiveEnvironment, environ: Mapping[str, str]) -> Keys:
    return Keys(environ, variables={key: getattr(environment.keys, key.value) for key in KeyClass})
