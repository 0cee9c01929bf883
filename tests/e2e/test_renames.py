"""A delivery is identified by its own name: renaming, moving or splitting documents repeats nothing."""

from __future__ import annotations

from pathlib import Path

from shell import Example, Serve, Shell

VISITS = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {{name: {name}}}
spec: {{users: {{inline: ["reader-0001", "reader-0002"]}}, attributes: {{visits: {{increment: 1, once: launch}}}}}}
"""


def started(example: Example, serve: Serve) -> Shell:
    shell = example("one-off-send")
    shell.go_live(serve(seeds=shell.seeds))
    return shell


def apply(shell: Shell) -> None:
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")


def test_a_renamed_send_goes_to_nobody_again(example: Example, serve: Serve) -> None:
    shell = started(example, serve)
    apply(shell)
    spec = shell.folder / "specs" / "order-delay.yaml"
    renamed = shell.folder / "specs" / "late-orders.yaml"
    renamed.write_text(spec.read_text().replace("name: order-delay", "name: late-orders"))
    spec.unlink()
    plan = shell.json("plan", "--out", "b.lpplan")
    assert plan["changes"] == {}
    assert plan["actions"] == 0


def test_a_renamed_increment_is_not_added_again(example: Example, serve: Serve) -> None:
    shell = started(example, serve)
    (shell.folder / "specs" / "order-delay.yaml").unlink()
    spec: Path = shell.folder / "specs" / "visits.yaml"
    spec.write_text(VISITS.format(name="visits"))
    apply(shell)
    spec.write_text(VISITS.format(name="launch-visits"))
    assert shell.json("plan", "--out", "b.lpplan")["actions"] == 0


def test_two_specs_with_one_delivery_are_a_problem_that_names_both(example: Example, serve: Serve) -> None:
    shell = started(example, serve)
    for name in ("visits", "more-visits"):
        (shell.folder / "specs" / f"{name}.yaml").write_text(VISITS.format(name=name))
    send = shell.folder / "specs" / "order-delay.yaml"
    (shell.folder / "specs" / "copy.yaml").write_text(
        send.read_text().replace("name: order-delay", "name: copy")
    )
    told = shell.run("validate", code=3).stdout
    assert "the delivery launch/visits is also used by UserAttributes/more-visits" in told
    assert "the delivery 2026-11-order-delay is also used by MessageSend/copy" in told
