"""Opens the app behind an environment, its own emulator included."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from leanplum_sync.cli.settings import Settings
from leanplum_sync.client.credentials import APP_ID_VARIABLE, EMULATOR_APP_ID, EMULATOR_KEYS, Connection, Keys
from leanplum_sync.client.http import HttpTransport
from leanplum_sync.client.reader import Reader
from leanplum_sync.clock import SystemClock
from leanplum_sync.emulator import EmulatorError, running
from leanplum_sync.errors import LeanplumSyncError
from leanplum_sync.planner.plan import Target
from leanplum_sync.resources.project import EmbeddedEnvironment, FromVariable, LiveEnvironment
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
    try:
        emulator = running(state=settings.state_folder / "emulator.db", seeds=seeds)
        with emulator as answering, HttpTransport(is_local=True) as transport:
            yield App(target, Connection.to_emulator(answering.url), Keys.of(EMULATOR_KEYS), transport)
    except EmulatorError as error:
        raise LeanplumSyncError(str(error)) from error


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
