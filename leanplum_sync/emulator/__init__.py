"""
Leanplum's API on loopback, for demonstrations, rehearsals and tests.

It follows the public documents and recordings of the API, failures included, and counts what it received and what took
effect. It shares no code with the rest of the package: both could misread the API in the same way.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from leanplum_sync.emulator.errors import EmulatorError, StateFileError
from leanplum_sync.emulator.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from socket import socket

    from starlette.applications import Starlette

    from leanplum_sync.emulator.faults import Faults

__all__ = [
    "APP_ID",
    "KEYS",
    "EmulatorError",
    "Running",
    "StateFileError",
    "Switches",
    "create_app",
    "running",
    "serve",
]

APP_ID: Final = "app_emulator"
KEYS: Final = {
    "production": "prod_emulator",
    "development": "dev_emulator",
    "data_export": "exp_emulator",
    "content_read_only": "cro_emulator",
}


@dataclass(frozen=True, slots=True)
class Running:
    """An emulator that answers at *url*, such as ``http://127.0.0.1:8123``; the API is at its ``/api``."""

    url: str


def create_app(
    *,
    state: Path | None = None,
    seeds: Sequence[Path] = (),
    switches: Switches = Switches(),  # noqa: B008 (frozen)
    faults: Faults | str | Path | Sequence[Any] = (),
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """
    Return the emulator as an ASGI application, its state in memory or in the file *state*.

    *seeds* are read only if the state never had any. *faults* is text such as ``cut-after:times=1``, a file, or a list.

    Raises:
        EmulatorError: the state file, a seed or a fault can't be used.
    """
    from leanplum_sync.emulator import app, dispatcher  # noqa: PLC0415 (importing the package stays cheap)
    from leanplum_sync.emulator.faults import parse  # noqa: PLC0415 (as above)
    from leanplum_sync.emulator.seeds import load  # noqa: PLC0415 (as above)
    from leanplum_sync.emulator.store import Store  # noqa: PLC0415 (as above)

    parsed_faults = parse(faults)
    store = Store(state)
    try:
        load(store, seeds, switches, clock)
    except BaseException:
        store.close()
        raise
    keys = {key: key_class for key_class, key in KEYS.items()}
    emulated = dispatcher.App(APP_ID, keys, switches)  # type: ignore[arg-type]  # the classes are KEYS' own names
    return app.create(app.Setup(emulated, seeds, parsed_faults, clock), store)


def _bound(port: int, options: Mapping[str, Any]) -> tuple[socket, Starlette]:
    """Return a socket that is bound to *port*, and the application to serve there."""
    from leanplum_sync.emulator import server  # noqa: PLC0415 (importing the package stays cheap)

    listening = server.bound(port)
    try:
        return listening, create_app(**options)
    except BaseException:
        listening.close()
        raise


@contextmanager
def running(*, port: int = 0, **options: Any) -> Iterator[Running]:
    """
    Serve on loopback from a thread while the block runs; ready when it begins. Options as for ``create_app``.

    Raises:
        EmulatorError: the port is in use, or the state file or a seed can't be used.
    """
    from leanplum_sync.emulator import server  # noqa: PLC0415 (importing the package stays cheap)

    listening, app = _bound(port, options)
    with server.in_thread(app, listening):
        yield Running(server.url_of(listening))


def serve(*, port: int, on_ready: Callable[[str], None], **options: Any) -> None:
    """
    Serve on loopback until SIGINT or SIGTERM; *on_ready* gets the address. Options as for ``create_app``.

    Raises:
        EmulatorError: as for ``running``.
    """
    from leanplum_sync.emulator import server  # noqa: PLC0415 (importing the package stays cheap)

    listening, app = _bound(port, options)
    server.in_foreground(app, listening, lambda: on_ready(server.url_of(listening)))
