"""A signal ends a command as a signal does, also where a library makes an error of its own of it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import duckdb
import pytest

from leanplum_sync.cli.signals import ending_by_signals

# DuckDB may finish what one of its threads works on before it heeds a signal, so the query takes seconds, not minutes.
LONG = "SELECT count(*) FROM range(600000000) AS numbers(one) WHERE hash(one) = 1"


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    before = [
        (number, signal.signal(number, signal.default_int_handler))
        for number in (signal.SIGINT, signal.SIGTERM)
    ]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_in_the_midst_of_a_query_is_told_as_one(
    number: signal.Signals, error: type[BaseException]
) -> None:
    later = threading.Timer(0.2, os.kill, (os.getpid(), number))
    with duckdb.connect() as database, pytest.raises(error) as caught, ending_by_signals():  # noqa: PT012 - all at once
        later.start()
        database.execute(LONG).fetchall()
    assert not isinstance(caught.value, SystemExit) or caught.value.code == 143


def test_an_error_without_a_signal_is_that_error() -> None:
    with pytest.raises(ValueError, match="odd"), ending_by_signals():
        raise ValueError("odd")


def test_what_was_ignored_is_ignored_and_handlers_come_back() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    before = signal.getsignal(signal.SIGTERM)
    with ending_by_signals():
        os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) == before
