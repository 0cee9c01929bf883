"""``fmt``: files, links, permissions, and what it tells a pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell import Command

from leanplum_sync.sources import replacing

UNTIDY = "kind: PushTokens\napiVersion: leanplum-sync/v1   # why\nmetadata: {name:  it}\nspec: {}\n"
TIDY = "apiVersion: leanplum-sync/v1   # why\nkind: PushTokens\nmetadata: {name: it}\nspec: {}\n"


@pytest.fixture
def spec(shop: Path) -> Path:
    path = shop / "specs" / "it.yaml"
    path.write_text(UNTIDY)
    return path


def test_a_new_project_is_tidy(shop: Path, command: Command) -> None:
    done = command("fmt", "--check")
    assert (done.returncode, done.stdout) == (0, "")


def test_files_that_change_are_listed_and_the_second_time_there_are_none(
    spec: Path, command: Command
) -> None:
    done = command("fmt")
    assert (done.returncode, done.stdout, spec.read_text()) == (0, "specs/it.yaml\n", TIDY)
    assert "1 of 3 files changed." in done.stderr
    assert command("fmt").stdout == ""


def test_check_changes_nothing_and_says_so_in_its_exit_code(spec: Path, command: Command) -> None:
    done = command("fmt", "--check")
    assert (done.returncode, done.stdout, spec.read_text()) == (3, "specs/it.yaml\n", UNTIDY)
    assert "Next: leanplum-sync fmt" in done.stderr


def test_diff_shows_what_would_change_and_changes_nothing(spec: Path, command: Command) -> None:
    done = command("fmt", "--diff", "specs/it.yaml")
    assert (done.returncode, spec.read_text()) == (0, UNTIDY)
    assert "-metadata: {name:  it}\n+metadata: {name: it}\n" in done.stdout
    assert command("fmt", "--diff", "--check").returncode == 3


def test_a_difference_shows_no_key_and_moves_no_cursor(spec: Path, command: Command) -> None:
    key = "prod_" + "a1B2c3D4e5" * 4
    spec.write_text(
        f"kind:   PushTokens # {key}\nmetadata: {{name:   \u202eit}}\napiVersion: leanplum-sync/v1\n"
    )
    shown = command("fmt", "--diff").stdout
    assert key not in shown
    assert "\u202e" not in shown
    assert "(a line with what looks like a key)" in shown


def test_a_difference_shows_no_line_that_may_hold_a_sensitive_value(
    spec: Path, shop: Path, command: Command
) -> None:
    (shop / "leanplum-sync.yaml").write_text(
        "apiVersion: leanplum-sync/v1\nkind: Project\nmetadata: {name: shop}\nspec: {sensitive: [phone]}\n"
    )
    spec.write_text(UNTIDY.replace("spec: {}", "spec:\n  attributes:\n    phone:   canary\n    tier:   gold"))
    shown = command("fmt", "--diff").stdout
    assert "canary" not in shown
    assert "-    tier:   gold\n" in shown
    assert shown.count(" (a line that may hold a sensitive value)\n") == 2


def test_what_is_no_yaml_is_reported_as_validate_does_and_the_rest_is_formatted(
    spec: Path, shop: Path, command: Command
) -> None:
    (shop / "specs" / "bad.yaml").write_text("a: [1\nb: 2\n")
    done = command("fmt")
    assert (done.returncode, done.stdout, spec.read_text()) == (3, "specs/it.yaml\n", TIDY)
    reported = [
        line for line in command("validate").stdout.splitlines() if line.startswith("specs/bad.yaml:")
    ]
    assert reported
    assert reported[0] in done.stderr
    assert (shop / "specs" / "bad.yaml").read_text() == "a: [1\nb: 2\n"


def test_yaml_that_is_no_spec_is_left_alone(shop: Path, command: Command) -> None:
    workflow = shop / ".github" / "workflows" / "leanplum-sync.yaml"
    other = shop / "specs" / "other.yaml"
    other.write_text("b:   1\na:   2\n")
    before = workflow.read_text()
    done = command("fmt", str(workflow), "specs")
    assert (done.returncode, done.stdout) == (0, "")
    assert "workflows/leanplum-sync.yaml is not a spec." in done.stderr
    assert (workflow.read_text(), other.read_text()) == (before, "b:   1\na:   2\n")


def test_what_has_no_layout_is_left_alone_and_named(spec: Path, command: Command) -> None:
    spec.write_text("%YAML 1.2\n---\n" + UNTIDY)
    done = command("fmt")
    assert (done.returncode, spec.read_text()) == (0, "%YAML 1.2\n---\n" + UNTIDY)
    assert "specs/it.yaml was skipped, because it contains directives." in done.stderr


def test_links_permissions_line_ends_and_a_byte_order_mark_stay(
    spec: Path, shop: Path, command: Command
) -> None:
    real = shop / "real.yaml"
    real.write_bytes(b"\xef\xbb\xbf" + UNTIDY.replace("\n", "\r\n").encode())
    real.chmod(0o640)
    spec.unlink()
    spec.symlink_to("../real.yaml")
    assert command("fmt").stdout == "specs/it.yaml\n"
    assert spec.is_symlink()
    assert real.read_bytes() == b"\xef\xbb\xbf" + TIDY.replace("\n", "\r\n").encode()
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_file_that_cannot_be_written_is_whole_and_nothing_is_left_beside_it(
    spec: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(replacing.os, "fsync", full)
    before = sorted(spec.parent.iterdir())
    assert command("fmt").returncode == 74
    assert (spec.read_text(), sorted(spec.parent.iterdir())) == (UNTIDY, before)


def test_no_project_is_needed_where_files_are_named(tmp_path: Path, command: Command) -> None:
    (tmp_path / "alone.yaml").write_text(UNTIDY)
    assert command("fmt", "alone.yaml").stdout == "alone.yaml\n"
    assert command("fmt").returncode == 3
    assert command("fmt", "nowhere.yaml").returncode == 64
