"""The shape of a file of exportUsers is what the emulator was told to write."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from exports import exported_files

from leanplum_sync.observed.export_shape import ExportShape, ShapeFinder

SEEN = {
    user: {"userAttributes": {"tier": value}}
    for user, value in {"a": "gold", "b": 25, "c": 'x,"y"', "d": None}.items()
}


def shape(folder: Path, **options: Any) -> ExportShape:
    (file,) = exported_files(folder, SEEN, ["tier"], **options)
    return shape_of(*file.paths)


def shape_of(*paths: Path) -> ExportShape:
    finder = ShapeFinder()
    for path in paths:
        finder.add(path)
    return finder.shape


def test_a_plain_file_has_quotes_only_where_it_must(tmp_path: Path) -> None:
    assert shape(tmp_path) == ExportShape(3, 0, 1, 1, 0, 0, 0, is_sorted=True)


@pytest.mark.parametrize(
    ("quoting", "quoted", "escaped"), [("all", 3, 0), ("backslash", 1, 1), ("none", 1, 0)]
)
def test_each_way_of_quoting_is_seen(quoting: str, quoted: int, escaped: int, tmp_path: Path) -> None:
    found = shape(tmp_path, quoting=quoting)
    assert (found.quoted, found.escaped) == (quoted, escaped)


def test_empty_values_and_repeated_users_are_counted(tmp_path: Path) -> None:
    found = shape(tmp_path, lists_everyone=True, repeats=2)
    assert (found.rows, found.empty, found.repeated, found.contradicting) == (6, 1, 2, 0)
    assert not found.is_sorted


def test_users_with_two_values_contradict_themselves(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("a,gold\na,\nb,silver\n")
    assert (shape_of(file).repeated, shape_of(file).contradicting) == (1, 1)


def test_files_of_one_job_are_counted_together_and_each_is_read_once(tmp_path: Path) -> None:
    finder = ShapeFinder()
    for number, text in enumerate(['a,gold\nb,"x"\n', "c,\nb,y\n", "d,z\n"]):
        file = tmp_path / f"{number}.csv"
        file.write_text(text)
        finder.add(file)
        file.unlink()
    assert finder.shape == ExportShape(5, 1, 3, 1, 0, 1, 1, is_sorted=False)


def test_long_values_need_little_memory(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    with file.open("w") as lines:
        lines.writelines(f"u{number:04},{number:010000}\n" for number in range(3000))
    tracemalloc.start()
    try:
        assert shape_of(file).rows == 3000
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
