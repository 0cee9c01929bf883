"""Seeds: NDJSON files that fill an empty app, and the dump that can be seeded again."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from leanplum_sync.bounds import EXPANDED_FREELY, EXPANSION, LINE, ZSTD_WINDOW
from leanplum_sync.emulator.errors import EmulatorError
from leanplum_sync.emulator.store import Store, Transaction
from leanplum_sync.emulator.switches import Switches
from leanplum_sync.emulator.user import exported, imported

# {"KIND": {...}} lines: which field of the object is its key.
_KEY_OF = {
    "message": "id",
    "abTest": "id",
    "variable": "name",
    "unsubscribeCategory": "id",
    "androidNotificationChannel": "id",
    "postback": "postbackId",
    "campaign": "id",
    "newsfeedMessage": "newsfeedMessageId",
    "report": "dataType",
}
_CHUNK = 5000
_PIECE = 1 << 11
_SEEDED = "seeded"


def load(store: Store, seeds: Sequence[Path], switches: Switches, clock: Callable[[], float]) -> None:
    """Load the seeds, unless this state was seeded before."""
    if not seeds:
        return
    with store.transaction() as transaction:
        if transaction.thing("meta", _SEEDED) is None:
            reload(transaction, seeds, switches, clock())


def reload(transaction: Transaction, seeds: Sequence[Path], switches: Switches, now: float) -> None:
    """Load the seeds, replacing what has the same id."""
    for path in seeds:
        for count, (line_number, line) in enumerate(_lines(path), start=1):
            try:
                content = line.removeprefix(codecs.BOM_UTF8) if line_number == 1 else line
                _load_line(transaction, orjson.loads(content), switches, now)
            except orjson.JSONDecodeError as error:
                raise EmulatorError(f"{path}:{line_number}: not a line of JSON: {error}.") from error
            except (ValueError, TypeError, AttributeError) as error:
                raise EmulatorError(f"{path}:{line_number}: not a seed: {error}.") from error
            if count % _CHUNK == 0:
                transaction.flush()
        transaction.flush()
    transaction.put_thing("meta", _SEEDED, [str(path) for path in seeds])


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, with their numbers. A small file must not fill the memory, or take hours."""
    size = 0
    try:
        with path.open("rb") as raw, _content(raw, path.suffix) as file:
            for number, line in enumerate(iter(lambda: file.readline(LINE.most + 1), b""), start=1):
                size += len(line)
                if len(line) > LINE.most:
                    raise EmulatorError(f"{path}:{number}: the line is longer than {LINE.most:,} bytes.")
                if size > max(EXPANDED_FREELY.most, EXPANSION.most * raw.tell()):
                    raise EmulatorError(
                        f"The seed {path} expands to more than {EXPANSION}. Decompress it first."
                    )
                if line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise EmulatorError(f"The seed {path} can't be read: {error}.") from error


@contextmanager
def _content(raw: BinaryIO, suffix: str) -> Iterator[BinaryIO]:
    match suffix:
        case ".gz":
            with gzip.open(raw) as file:
                yield file  # type: ignore[misc]  # typed as what gzip.open returns for any mode
        case ".zst":
            import zstandard  # noqa: PLC0415 (only for such files)

            decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW.most)
            try:
                # In small pieces: one expands up to 32,000 times.
                with io.BufferedReader(
                    decompressor.stream_reader(raw, read_size=_PIECE, read_across_frames=True)
                ) as file:
                    yield file
            except zstandard.ZstdError as error:
                raise OSError(str(error)) from error
        case _:
            yield raw


def _load_line(transaction: Transaction, seed: Any, switches: Switches, now: float) -> None:
    if not isinstance(seed, dict):
        raise ValueError("expected an object")  # noqa: TRY004 (one error tells a bad line)
    for kind, key in _KEY_OF.items():
        if kind in seed:
            thing = seed[kind]
            if not isinstance(thing, dict) or thing.get(key) is None:
                raise ValueError(f"a {kind} needs an object with {key!r}")
            transaction.put_thing(kind, str(thing[key]), thing)
            return
    user = imported(seed, now, switches)
    transaction.put(user)
    for device in user.devices:
        if device["deviceId"] is not None:
            transaction.assign(device["deviceId"], user.user_id)


def dump(store: Store) -> Iterator[bytes]:
    for kind in _KEY_OF:
        for thing in store.things(kind).values():
            yield orjson.dumps({kind: thing}) + b"\n"
    names = {key: str(thing.get("name", "")) for key, thing in store.things("unsubscribeCategory").items()}
    for user in store.users():
        yield orjson.dumps(_seed(user, names)) + b"\n"


def _seed(user: Any, names: dict[str, str]) -> dict[str, Any]:
    from leanplum_sync.emulator.switches import Switches  # noqa: PLC0415 (only for the fullest form)

    element = exported(user, names, Switches(device_details="full"))
    extras = {"blocked": user.blocked, "trafficSource": user.traffic}
    is_told = user.anonymous != user.has_device(user.user_id)
    return (
        element
        | {name: value for name, value in extras.items() if value}
        | ({"anonymous": user.anonymous} if is_told else {})
    )
