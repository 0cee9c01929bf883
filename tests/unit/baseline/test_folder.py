"""Whatever happens to the files of a baseline, it is the one that was written, or it is refused."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from baselines import OWNER, World

from leanplum_sync.baseline import Baseline, Folder, Owner, UnusableError


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World(tmp_path, {"a": "gold", "b": 12})
    found.journal.begin().is_over = True
    found.learn(found.read(["a", "b"]))
    return found


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x01]) + content[at + 1 :]


@pytest.mark.parametrize("name", ["head.json", "key", "prints-1.parquet"])
def test_a_byte_that_changed_is_noticed(name: str, world: World) -> None:
    file = world.baseline.folder.path / name
    whole = file.read_bytes()
    text = len(whole.rstrip())
    for at in range(0, text, max(1, text // 200)):
        file.write_bytes(flipped(whole, at))
        with pytest.raises(UnusableError):
            world.baseline.head(world.journal)
    file.write_bytes(whole)
    assert world.baseline.head(world.journal).users == 2


@pytest.mark.parametrize("name", ["head.json", "key", "prints-1.parquet"])
def test_a_file_that_is_cut_off_or_gone_is_noticed(name: str, world: World) -> None:
    file = world.baseline.folder.path / name
    whole = file.read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole.rstrip()) - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(UnusableError):
            world.baseline.head(world.journal)
    file.unlink()
    with pytest.raises(UnusableError):
        world.baseline.head(world.journal)


@pytest.mark.parametrize(
    "owner",
    [replace(OWNER, app="other"), replace(OWNER, host="other"), replace(OWNER, environment="other")],
    ids=["app", "host", "environment"],
)
def test_a_baseline_of_something_else_is_refused(owner: Owner, world: World) -> None:
    with pytest.raises(UnusableError, match="it is about app app at host, environment production"):
        Baseline(world.baseline.folder, owner).head(world.journal)


def test_a_baseline_of_another_journal_is_refused(world: World) -> None:
    world.journal.id = "other"
    with pytest.raises(UnusableError, match="another journal"):
        world.known()


def test_a_journal_that_is_an_older_copy_is_noticed(world: World) -> None:
    world.journal.number -= 1
    with pytest.raises(UnusableError, match="older copy"):
        world.known()


def test_a_journal_that_was_rebuilt_is_noticed(world: World) -> None:
    world.journal.number += 1
    world.journal.runs[0].uid = "new"
    with pytest.raises(UnusableError, match="rebuilt"):
        world.known()


def test_a_baseline_that_is_refused_is_replaced_by_the_next_read(world: World) -> None:
    (world.baseline.folder.path / "head.json").write_text("{}")
    world.learn(world.read(["b"]))
    assert world.known().keys() == {"b"}


def test_a_plan_keeps_the_prints_that_it_took(world: World, tmp_path: Path) -> None:
    _, assumed = world.baseline.assume(world.journal, tmp_path)
    content = assumed.path.read_bytes()
    for _ in range(3):
        world.learn(world.read(["a"]))
    assert assumed.path.read_bytes() == content
    names = {path.name for path in world.baseline.folder.path.glob("prints-*")}
    assert names == {"prints-3.parquet", "prints-4.parquet"}


def test_only_the_owner_may_read_the_files(world: World) -> None:
    for file in world.baseline.folder.path.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file.name
    assert world.baseline.folder.path.stat().st_mode & 0o077 == 0


def test_a_baseline_holds_no_value(world: World) -> None:
    world.values["a"] = "a-rather-unusual-value"
    world.learn(world.read(["a"]))
    for file in world.baseline.folder.path.iterdir():
        assert b"unusual" not in file.read_bytes(), file.name


def test_two_keys_give_different_prints(world: World, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(world.baseline.folder.path, copy)
    other = Folder(copy)
    key = other.create_key()
    assert key != world.baseline.folder.key()
    with pytest.raises(UnusableError, match="another key"):
        other.read()


@pytest.mark.parametrize("size", [1, 7, 100, 1_000_000])
def test_what_is_written_to_another_folder_in_pieces_is_the_same_baseline(
    size: int, world: World, tmp_path: Path
) -> None:
    content = io.BytesIO()
    world.baseline.folder.write_to(content)
    other = Folder(tmp_path / "other")
    with other.alone(), other.receiving("copy") as file:
        for start in range(0, len(content.getvalue()), size):
            file.write(content.getvalue()[start : start + size])
    assert other.read() == world.baseline.folder.read()
    assert other.came_from == "copy"
    assert {path.stat().st_mode & 0o077 for path in other.path.iterdir()} == {0}


def test_a_copy_that_is_cut_off_in_its_head_leaves_the_baseline_before(world: World) -> None:
    before = world.baseline.head(world.journal)
    folder = world.baseline.folder
    with pytest.raises(UnusableError, match="damaged"), folder.receiving("copy") as file:
        file.write(b"key\nseal\n")
    assert world.baseline.head(world.journal) == before
    assert folder.came_from is None


def test_a_copy_whose_fetching_fails_leaves_the_baseline_before(world: World) -> None:
    before = world.baseline.head(world.journal)
    content = io.BytesIO()
    world.baseline.folder.write_to(content)

    def fail() -> None:
        with world.baseline.folder.receiving("copy") as file:
            file.write(content.getvalue()[:-10])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert world.baseline.head(world.journal) == before
