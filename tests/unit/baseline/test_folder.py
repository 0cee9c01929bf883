"""Whatever happens to the files of a baseline, it is the one that was written, or it is refused."""

from __future__ import annotations

import hashlib
import io
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread

import pytest
from baselines import OWNER, Journal, World

from leanplum_sync.baseline import Baseline, Folder, Owner, UnusableError, new_key


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
    key = new_key()
    assert key != world.baseline.folder.key()
    (copy / "key").write_text(key)
    with pytest.raises(UnusableError, match="another key"):
        other.read()


def test_a_plan_takes_the_prints_that_it_checked_while_another_plan_fetches_a_copy(
    world: World, tmp_path: Path
) -> None:
    """The copy, from another machine, has other prints of the same generation."""
    other = World(tmp_path / "other", {"a": "silver", "b": 12}, journal=world.journal)
    other.folder.mkdir()
    shutil.copytree(world.baseline.folder.path, other.baseline.folder.path)
    world.learn(world.read(["a", "b"]))
    other.learn(other.read(["a", "b"]))
    copy = io.BytesIO()
    other.baseline.folder.write_to(copy)
    folder, into = world.baseline.folder, tmp_path / "plan"
    into.mkdir()

    def fetch() -> None:
        with folder.alone(), folder.receiving("copy") as file:
            file.write(copy.getvalue())

    @dataclass(slots=True)
    class Fetching(Journal):
        """Another plan fetches when the head has been checked, if it can."""

        fetcher: Thread | None = None

        def uid_of(self, run: int) -> str:
            if self.fetcher is None:
                self.fetcher = Thread(target=fetch)
                self.fetcher.start()
                while self.fetcher.is_alive() and not waits_for_lock(folder.path / "lock"):
                    self.fetcher.join(0.01)
            return world.journal.uid_of(run)

    journal = Fetching(world.journal.id, world.journal.number, world.journal.runs)
    head, assumed = world.baseline.assume(journal, into)
    assert journal.fetcher is not None
    journal.fetcher.join()
    sealed = hashlib.blake2b(assumed.path.read_bytes(), key=assumed.key.encode(), digest_size=16)
    assert sealed.hexdigest() == head.digest
    assert folder.read() == other.baseline.folder.read() != head


def waits_for_lock(path: Path) -> bool:
    """Tell whether a thread waits for the lock on the file: the kernel marks it with an arrow."""
    inode = f":{path.stat().st_ino} "
    return any("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines())


def test_a_discarded_key_is_never_used_again(world: World) -> None:
    folder = world.baseline.folder
    old = folder.key()
    (folder.path / "key.new").write_text(old)  # a process was killed while it wrote the key
    world.baseline.forget()
    assert [path.name for path in folder.path.iterdir()] == ["lock"]
    world.learn(world.read(["a"]))
    assert folder.key() != old
    assert world.known().keys() == {"a"}


def test_a_baseline_that_replaces_an_unusable_one_has_a_new_key(world: World) -> None:
    """The unusable one may have been discarded elsewhere, because its key leaked."""
    old = world.baseline.folder.key()
    (world.baseline.folder.path / "head.json").write_text("{}")
    assert world.learn_run(world.journal.begin()) is None
    assert world.baseline.folder.key() == old
    world.learn(world.read(["b"]))
    assert world.baseline.folder.key() != old


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
