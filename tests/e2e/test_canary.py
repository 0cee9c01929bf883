"""A few users first; and what depends on a failed wave is not begun."""

from __future__ import annotations

import pytest
from shell import Example, Serve

# A wave of two specs: the first fails for one user in three, the second builds on it.
SPECS = """apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {inline: ["00001", "00002", "00003"]}
  attributes: {tier: {value: gold, when: absent}}
---
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: perks, dependsOn: [UserAttributes/tiers]}
spec:
  users: {inline: ["00001", "00002", "00003"]}
  attributes: {perk: {value: lounge, when: absent}}
"""


@pytest.mark.slow
def test_the_canary_is_the_same_users_each_time_and_receipts_add_up(example: Example, serve: Serve) -> None:
    shell = example("one-off-send")
    served = serve(seeds=shell.seeds)
    shell.go_live(served)
    shell.run("plan", "--out", "a.lpplan")

    first = shell.run("apply", "a.lpplan", "--yes", "--canary", "5")
    assert "The canary is complete; the rest were not sent." in first.stdout
    assert "To continue with the rest: leanplum-sync apply a.lpplan --resume" in first.stderr
    few = served.sends()
    assert list(few.values()) == [1] * 5
    again = shell.json("apply", "a.lpplan", "--yes", "--canary", "5")
    assert again["sentNow"] == 0
    assert served.sends() == few

    more = shell.json("apply", "a.lpplan", "--yes", "--canary", "20%")
    assert more["actions"]["done"] == 8
    assert sum(more["actions"].values()) == more["planned"] == 39
    assert few.keys() < served.sends().keys()

    rest = shell.json("apply", "a.lpplan", "--yes", "--resume")
    assert rest["complete"]
    assert rest["run"] == more["run"]
    assert rest["exceptionsTotal"] == 0
    assert list(served.sends().values()) == [1] * 39


@pytest.mark.slow
def test_the_canary_goes_through_all_phases_of_its_users_and_is_verified(
    example: Example, serve: Serve
) -> None:
    shell = example("loyalty-migration")
    served = serve(seeds=shell.seeds)
    shell.go_live(served)
    plan = shell.json("plan", "--out", "a.lpplan")
    canary = shell.json("apply", "a.lpplan", "--yes", "--canary", "30")
    assert canary["verification"]["checked"] == canary["verification"]["equal"] == 30
    assert served.counts()["billableLookups"]["writes"] <= 30 + 3
    rest = shell.json("apply", "a.lpplan", "--yes", "--resume")
    assert rest["actions"]["done"] == rest["planned"] == plan["actions"]
    assert rest["billableLookups"] == served.counts()["billableLookups"]["writes"]
    assert shell.json("plan", "--out", "b.lpplan")["actions"] == 0


@pytest.mark.parametrize("canary", ["0", "0%", "101%", "some", "-1", "5%%"])
def test_a_canary_that_is_no_number_is_refused(canary: str, example: Example) -> None:
    shell = example("one-off-send")
    assert "such as 100 or 5%" in shell.run("apply", "a.lpplan", f"--canary={canary}", code=64).stderr


def test_what_builds_on_a_failed_wave_is_not_begun(example: Example, serve: Serve) -> None:
    shell = example("one-off-send")
    (shell.folder / "specs" / "order-delay.yaml").write_text(SPECS)
    users = [{"userId": user, "userAttributes": {}} for user in ("00001", "00002", "00003")]
    shell.go_live(serve(*users))
    shell.run("plan", "--out", "a.lpplan")
    shell.environ = serve(*users[:2]).environ

    stopped = shell.run("apply", "a.lpplan", "--yes", "--recheck", "off", code=4)
    assert "too many actions failed, so the actions that" in stopped.stdout
    assert "--wave-failures 100%" in stopped.stderr
    again = shell.json("apply", "a.lpplan", "--yes", "--resume", code=4)
    assert again["actions"]["not sent"] == 3
    rest = shell.json("apply", "a.lpplan", "--yes", "--resume", "--wave-failures", "100%", code=4)
    assert rest["actions"]["done"] == 4
