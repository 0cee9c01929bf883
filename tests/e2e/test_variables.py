"""Variables from the spec to the proof: what no spec names stays, and a variable in a running A/B test needs consent."""

from __future__ import annotations

import json
import signal
import urllib.request
from pathlib import Path
from typing import Any, Final

import brief_waits
import pytest
from files import write_files
from journals import shift_doubts
from shell import TIMEOUT_SECONDS, Serve, Served, Shell

from leanplum_sync import emulator

PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  sensitive: [promo]
  environments:
    live: {appId: app_emulator, writes: development, budget: {variables: 9}, limits: {requestsPerSecond: 1000}}
"""
SPEC: Final = """\
apiVersion: leanplum-sync/v1
kind: Variables
metadata: {name: paywall}
spec:
  variables:
    paywall.title: {kind: string, value: Go Premium}
    paywall.texts: {kind: group, value: {hello: Hi, bye: Bye}}
    maxItems: {kind: integer, value: 20}
    prices: {kind: list, value: [{sku: a, price: 3}, {sku: b, price: 4}]}
    promo.code: {kind: string, value: SECRET-NEW}
    oldBanner: {state: absent}
    neverThere: {state: absent}
"""
BEFORE: Final[dict[str, Any]] = {
    "paywall.title": "Go Pro",
    "paywall.badge": "new",
    "maxItems": 20.0,
    "prices": [{"sku": "a", "price": 3}, {"sku": "b", "price": 5}],
    "promo.code": "SECRET-OLD",
    "oldBanner": True,
    "other": "stays",
}
AFTER: Final[dict[str, Any]] = {
    "maxItems": 20,
    "other": "stays",
    "paywall": {"badge": "new", "texts": {"bye": "Bye", "hello": "Hi"}, "title": "Go Premium"},
    "prices": [{"sku": "a", "price": 3}, {"sku": "b", "price": 4}],
    "promo": {"code": "SECRET-NEW"},
}
ADDRESS: Final = "Variables/paywall"
APPLY: Final = ("apply", "a.lpplan", "--yes")


def seeds(variables: dict[str, Any] = BEFORE) -> list[dict[str, Any]]:
    return [{"variable": {"name": name, "value": value}} for name, value in variables.items()]


def ab_test(number: int, name: str, *, active: bool, **values: str) -> dict[str, Any]:
    variables = [{"name": variable.replace("_", "."), "value": value} for variable, value in values.items()]
    variants = [{"id": number + 1, "name": "B", "percent": 50.0, "variables": variables}]
    state = "active" if active else "finished"
    return {"abTest": {"id": number, "name": name, "active": active, "state": state, "variants": variants}}


def variables(served: Served) -> Any:
    """Return the app's variables as a new user would see them."""
    body = json.dumps(
        {"appId": emulator.APP_ID, "clientKey": emulator.KEYS["production"], "apiVersion": "1.0.6"}
    )
    with urllib.request.urlopen(f"{served.url}/api?action=getVars", data=body.encode()) as answer:
        return json.load(answer)["response"][0]["vars"]


def set_variable(served: Served, tree: dict[str, Any]) -> None:
    """Change variables as somebody else would."""
    body = {
        "appId": emulator.APP_ID,
        "clientKey": emulator.KEYS["development"],
        "apiVersion": "1.0.6",
        "vars": tree,
    }
    with urllib.request.urlopen(f"{served.url}/api?action=setVars", data=json.dumps(body).encode()):
        pass


def requests(served: Served, action: str) -> int:
    return int(served.counts()["requests"]["byAction"].get(action, 0))


def project(tmp_path: Path, served: Served, spec: str = SPEC) -> Shell:
    write_files(tmp_path / "shop", {"leanplum-sync.yaml": PROJECT, "specs/paywall.yaml": spec})
    # A job that has only the development key, and the one that reads A/B tests.
    environ = {
        **served.every_key,
        brief_waits.VARIABLE: "1",
        "LEANPLUM_PRODUCTION_KEY": "",
        "LEANPLUM_DATA_EXPORT_KEY": "",
    }
    return Shell(tmp_path / "shop", environ)


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(*seeds())


@pytest.fixture
def shell(tmp_path: Path, served: Served) -> Shell:
    return project(tmp_path, served)


def test_dots_of_a_names_own_are_no_groups(tmp_path: Path, serve: Serve) -> None:
    served = serve(*seeds({"old\\.name": 1, "stays": 2}))
    spec = (
        "apiVersion: leanplum-sync/v1\nkind: Variables\nmetadata: {name: paywall}\nspec:\n  variables:\n"
        "    www\\.example\\.com: {kind: string, value: a}\n"
        "    hosts: {kind: group, value: {b.example.com: 1, c: {d.e: [{f.g: 2}]}}}\n"
        "    old\\.name: {state: absent}\n"
    )
    shell = project(tmp_path, served, spec)
    shell.run("plan", "--out", "a.lpplan")
    receipt = shell.json(*APPLY, "--verify", "all")
    assert receipt["actions"]["done"] == 4
    assert variables(served) == {
        "stays": 2,
        "www.example.com": "a",
        "hosts": {"b.example.com": 1, "c": {"d.e": [{"f.g": 2}]}},
    }
    assert shell.json("plan")["isEmpty"]


def test_a_variable_is_shown_to_be_for_all_users(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan")
    shown = shell.run("show", "a.lpplan").stdout
    assert [line.split()[-1] for line in shown.splitlines() if "set variable " in line] == ["all"] * 5
    assert "| **all** |" in shell.run("show", "a.lpplan", "-o", "markdown").stdout
    assert ">all<" in shell.run("show", "a.lpplan", "-o", "html").stdout
    shell.run(*APPLY)
    set_variable(served, {"paywall": {"title": "Other"}})
    (line,) = (line for line in shell.run("drift").stdout.splitlines() if "variable:paywall" in line)
    assert " all " in line


def test_a_walk_from_the_spec_to_the_proof(shell: Shell, served: Served) -> None:
    assert "Valid: 1 spec, 8 variables. Checked offline." in shell.run("validate").stdout
    planned = shell.json("plan", "--out", "a.lpplan")
    assert planned["things"] == {"listed": 8, "changed": 6, "tested": []}
    assert {hazard["name"]: hazard["count"] for hazard in planned["hazards"]} == {"variables": 6}
    assert (planned["cost"]["writes"], planned["batches"], planned["users"]["listed"]) == (0, 6, 0)
    for output in ("text", "json", "markdown", "html"):
        shown = shell.run("show", "a.lpplan", "-o", output).stdout
        assert "paywall.title" in shown
        assert "Go Premium" in shown
        assert "SECRET" not in shown
    # Of a list, only what differs.
    assert "[1].price: 5 → 4" in shell.run("show", "a.lpplan").stdout
    assert "6 of 8 listed variables would change" in shell.run("show", "a.lpplan").stdout

    explained = shell.run("explain", "a.lpplan", "variable:paywall.title").stdout
    assert "Go Pro → Go Premium" in explained
    assert "specs/paywall.yaml:6" in explained
    assert "already as desired" in shell.run("explain", "a.lpplan", "variable:maxItems").stdout
    assert "SECRET" not in shell.run("explain", "a.lpplan", "variable:promo.code", "-o", "json").stdout

    receipt = shell.json(*APPLY, "--verify", "all")
    assert receipt["actions"]["done"] == 6
    assert (receipt["verification"]["checked"], receipt["verification"]["equal"]) == (6, 6)
    assert variables(served) == AFTER
    assert (requests(served, "setVars"), requests(served, "deleteVars")) == (5, 1)
    assert requests(served, "multi") == requests(served, "exportUser") == 0
    for file in (shell.folder / ".leanplum-sync").glob("*.ndjson"):
        assert "SECRET" not in file.read_text()

    assert "No changes: 8 listed variables match the specs." in shell.run("plan", "--out", "b.lpplan").stdout
    assert shell.json("plan", "--out", "b.lpplan")["isEmpty"]
    assert "No drift detected." in shell.run("drift").stdout


def test_what_others_changed_is_drift_and_undo_leaves_it(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    set_variable(served, {"paywall": {"title": "Somebody's"}, "prices": [1], "maxItems": 7, "neverThere": 1})
    drift = shell.json("drift")
    assert {(each["field"], each["origin"]) for each in drift["moved"]} == {
        ("paywall.title", "others"),
        ("prices", "others"),
        # They were as desired when the spec was applied, so that no run wrote them.
        ("maxItems", "others"),
        ("neverThere", "others"),
    }
    undone = shell.json("undo", "1", "--out", "u.lpplan")
    assert undone["things"]["changed"] == 4
    shell.run("apply", "u.lpplan", "--yes")
    assert variables(served) == {
        "maxItems": 7,
        "neverThere": 1,
        "oldBanner": True,
        "other": "stays",
        "paywall": {"badge": "new", "title": "Somebody's"},
        "prices": [1],
        "promo": {"code": "SECRET-OLD"},
    }


def test_undo_restores_every_value(shell: Shell, served: Served) -> None:
    before = variables(served)
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    shell.run("undo", "1", "--out", "u.lpplan")
    shell.run("apply", "u.lpplan", "--yes")
    assert variables(served) == before


@pytest.mark.parametrize("recheck", ["auto", "on", "off"])
def test_a_value_that_changed_after_the_plan_is_not_overwritten(
    shell: Shell, served: Served, recheck: str
) -> None:
    shell.run("plan", "--out", "a.lpplan")
    set_variable(served, {"paywall": {"title": "Somebody's"}})
    receipt = shell.json(*APPLY, "--recheck", recheck, "--verify", "none", code=4)
    assert (receipt["actions"]["done"], receipt["actions"]["conflicting"]) == (5, 1)
    (conflict,) = receipt["exceptions"]
    assert conflict["subject"] == "variable:paywall.title"
    assert not receipt["files"]  # there are no rows to send again
    assert variables(served)["paywall"]["title"] == "Somebody's"


@pytest.mark.parametrize("action", ["deleteVars", "setVars"])
@pytest.mark.parametrize("fault", ["cut-before", "cut-after", "truncated", "html"])
def test_a_lost_response_is_settled_by_reading(shell: Shell, served: Served, fault: str, action: str) -> None:
    shell.run("plan", "--out", "a.lpplan")
    served.faults(f"{fault}:action={action},times=1")
    receipt = shell.json(*APPLY, "--verify", "all")
    assert receipt["actions"]["done"] + receipt["actions"]["already"] == 6
    assert variables(served) == AFTER
    assert shell.json("plan", "--out", "b.lpplan")["isEmpty"]


def test_a_rejected_variable_is_named_and_not_sent_again(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan")
    served.faults('status:status=400,action=setVars,after=4,times=1,text="SECRET-NEW is no value"')
    receipt = shell.json(*APPLY, "--verify", "all", code=4)
    assert (receipt["actions"]["done"], receipt["actions"]["rejected"]) == (5, 1)
    assert "SECRET" not in json.dumps(receipt)
    served.faults("")
    planned = shell.run("plan", "--out", "b.lpplan").stdout
    assert "1 thing of the app has a change that the API rejected before" in " ".join(planned.split())
    shell.run("apply", "b.lpplan", "--yes", "--retry-rejected")
    assert variables(served) == AFTER


def test_a_skipped_variable_is_no_success(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan")
    served.faults("skipped:action=deleteVars,times=1")
    receipt = shell.json(*APPLY, "--verify", "none", code=4)
    assert (receipt["actions"]["done"], receipt["actions"]["skipped"]) == (5, 1)
    assert variables(served)["oldBanner"] is True
    (skipped,) = receipt["exceptions"]
    assert skipped["subject"] == "variable:oldBanner"


def test_a_refused_call_is_parked_and_resumed(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan")
    served.faults("429:action=setVars,after=1")
    shell.run(*APPLY, "--verify", "none", code=4)
    served.faults("")
    shell.run(*APPLY, "--resume")
    assert variables(served) == AFTER


def test_a_write_in_doubt_whose_value_others_change_is_not_sent_again(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan", "--select", ADDRESS)
    served.faults("cut-before:action=deleteVars,times=1;status:status=500,action=getVars,after=3")
    shell.run(*APPLY, "--verify", "none", code=4)
    served.faults("")
    set_variable(served, {"oldBanner": "Somebody's"})
    shift_doubts(shell.journal, -3600)
    shell.run(*APPLY, "--verify", "none", "--resume", code=4)
    assert variables(served)["oldBanner"] == "Somebody's"


@pytest.mark.parametrize("held_calls", range(5))
def test_a_killed_run_goes_on_where_it_was(shell: Shell, served: Served, held_calls: int) -> None:
    shell.run("plan", "--out", "a.lpplan")
    served.hold("setVars", after=held_calls)
    process = shell.start(*APPLY, "--verify", "none")
    while not served.holds() and process.poll() is None:
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=TIMEOUT_SECONDS)
    served.release()
    shift_doubts(shell.journal, -3600)
    receipt = shell.json(*APPLY, "--verify", "all")
    assert receipt["verification"]["equal"] == 6
    assert variables(served) == AFTER


def test_a_running_test_needs_consent_and_an_ended_one_is_shown(tmp_path: Path, serve: Serve) -> None:
    served = serve(
        *seeds(),
        ab_test(10, "Titles", active=True, paywall_title="Go Max"),
        ab_test(20, "Greetings", active=False, paywall_texts_hello="Hi"),
        ab_test(30, "Elsewhere", active=True, other="x"),
    )
    shell = project(tmp_path, served)
    planned = shell.json("plan", "--out", "a.lpplan", code=6)
    assert planned["things"]["tested"] == ["paywall.title"]
    notes = {note["code"]: note["sentence"] for note in planned["notes"]}
    assert 'the running A/B test "Titles" (test 10)' in notes["in_test"]
    assert (
        'the value of variant "B" of the A/B test "Greetings" (test 20), which has ended'
        in notes["ended_test"]
    )
    shell.run(*APPLY, code=6)
    assert variables(served)["paywall"]["title"] == "Go Pro"
    shell.run(*APPLY, "--ack", "inRunningTest=1")
    assert variables(served) == AFTER


def test_a_test_that_was_started_after_planning_stops_apply(tmp_path: Path, serve: Serve) -> None:
    before = serve(*seeds())
    shell = project(tmp_path, before)
    shell.run("plan", "--out", "a.lpplan")
    after = serve(*seeds(), ab_test(10, "Prices", active=True, prices="[1]"))
    shell.environ["LEANPLUM_API_URL"] = after.url
    refused = shell.run(*APPLY, code=7)
    assert "gives users other values of prices" in refused.stderr
    assert requests(after, "setVars") == 0


def test_without_the_key_that_a_plan_was_made_with_nothing_is_sent(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan")
    del shell.environ["LEANPLUM_CONTENT_READ_ONLY_KEY"]
    assert "LEANPLUM_CONTENT_READ_ONLY_KEY" in shell.run(*APPLY, code=9).stderr
    assert requests(served, "setVars") == 0


def test_without_the_key_for_tests_each_variable_may_be_in_one(shell: Shell, served: Served) -> None:
    del shell.environ["LEANPLUM_CONTENT_READ_ONLY_KEY"]
    planned = shell.json("plan", "--out", "a.lpplan", code=6)
    assert len(planned["things"]["tested"]) == 6
    assert "LEANPLUM_CONTENT_READ_ONLY_KEY is not set" in json.dumps(planned)
    shell.run(*APPLY, "--ack", "inRunningTest=6")
    assert variables(served) == AFTER


def test_what_a_spec_does_not_name_stays_even_if_it_is_in_the_way(tmp_path: Path, serve: Serve) -> None:
    served = serve(*seeds({"group.a": 1, "single": 2}))
    spec = SPEC.partition("  variables:\n")[0] + (
        "  variables:\n    group: {state: absent}\n    single.part: {kind: integer, value: 3}\n"
    )
    shell = project(tmp_path, served, spec)
    planned = shell.json("plan", "--out", "a.lpplan")
    assert planned["isEmpty"]
    assert [note["samples"] for note in planned["notes"]] == [["group"], ["single.part"]]
    spec = spec.replace("group:", "group.a:").replace(
        "single.part: {kind: integer, value: 3}", "single: {state: absent}"
    )
    (shell.folder / "specs" / "paywall.yaml").write_text(spec)
    shell.run("plan", "--out", "b.lpplan")
    shell.run("apply", "b.lpplan", "--yes")
    assert variables(served) == {}


def test_variables_are_read_as_the_user_that_the_project_names(tmp_path: Path, serve: Serve) -> None:
    served = serve(*seeds(), {"userId": "reader"})
    shell = project(tmp_path, served)
    file = shell.folder / "leanplum-sync.yaml"
    file.write_text(PROJECT.replace("  sensitive:", "  variablesUser: reader\n  sensitive:"))
    planned = shell.json("plan", "--out", "a.lpplan")
    assert (planned["cost"]["reads"], planned["cost"]["thingChecks"]) == (1, 6)
    assert (
        "6 of these lookups read variables just before they are written"
        in shell.run("show", "a.lpplan").stdout
    )
    before = served.counts()["billableLookups"]["reads"]
    shell.run(*APPLY, "--verify", "none")
    assert served.counts()["billableLookups"]["reads"] - before == 6
    assert variables(served) == AFTER
    file.write_text(PROJECT.replace("  sensitive:", "  variablesUser: nobody-there\n  sensitive:"))
    refused = shell.run("plan", "--out", "b.lpplan", code=4)
    assert "variablesUser" in refused.stderr
    file.write_text(PROJECT)
    served.faults('status:status=400,action=getVars,text="userId is required"')
    assert "variablesUser" in shell.run("plan", "--out", "b.lpplan", code=4).stderr


def test_ten_mistakes_are_reported_in_one_run(shell: Shell) -> None:
    (shell.folder / "specs" / "paywall.yaml").write_text(
        """\
apiVersion: leanplum-sync/v1
kind: Variables
metadata: {name: paywall}
spec:
  variables:
    a: {kind: integer, value: "3"}
    b: {kind: string}
    c: {value: 3}
    d: {kind: text, value: x}
    e: {state: absent, value: 3}
    f: {kind: group, value: {}}
    g..h: {kind: string, value: x}
    i: {kind: list, value: [.nan]}
    j: {kind: integer, value: 99999999999999999999}
    k: {kind: string, value: x}
    k.l: {kind: string, value: x}
    m: {kind: group, value: {n: null}}
    o: {kind: string, vlaue: x}
"""
    )
    problems = shell.json("validate", code=3)["problems"]
    assert {problem["place"]["line"] for problem in problems} >= {*range(6, 15), 16, 17, 18}, problems


@pytest.mark.parametrize("spec", ["", "  variables:\n", "  variables: {}\n", "  variables: []\n"])
def test_a_file_without_variables_is_a_problem_and_never_a_deletion(
    shell: Shell, served: Served, spec: str
) -> None:
    path = shell.folder / "specs" / "paywall.yaml"
    path.write_text(SPEC.partition("  variables:\n")[0] + spec)
    shell.run("validate", code=3)
    shell.run("plan", "--out", "a.lpplan", code=3)
    assert requests(served, "deleteVars") == 0


def test_half_a_file_is_a_problem_or_changes_only_what_it_names(shell: Shell, served: Served) -> None:
    path = shell.folder / "specs" / "paywall.yaml"
    path.write_text(SPEC[: SPEC.index("{kind: list") + 20])
    shell.run("plan", "--out", "a.lpplan", code=3)
    path.write_text(SPEC[: SPEC.index("    maxItems")])
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    left = variables(served)
    assert {name: left[name] for name in ("maxItems", "oldBanner", "other")} == {
        "maxItems": 20.0,
        "oldBanner": True,
        "other": "stays",
    }


def test_two_documents_that_agree_set_a_variable_once(shell: Shell, served: Served) -> None:
    other = SPEC.replace("name: paywall", "name: other")
    (shell.folder / "specs" / "z.yaml").write_text(other)
    planned = shell.json("plan", "--out", "a.lpplan")
    assert (planned["things"]["listed"], planned["actions"]) == (8, 6)
    shell.run(*APPLY)
    assert variables(served) == AFTER
    assert requests(served, "setVars") + requests(served, "deleteVars") == 6


def test_two_documents_that_disagree_name_both_lines(shell: Shell) -> None:
    other = SPEC.replace("name: paywall", "name: other").partition("  variables:\n")[0]
    (shell.folder / "specs" / "z.yaml").write_text(
        f"{other}  variables:\n    paywall.title: {{kind: string, value: Else}}\n    maxItems.a: {{kind: integer, value: 1}}\n"
    )
    found = shell.json("validate", code=3)["problems"]
    assert {(each["place"]["line"], each["also"]["line"]) for each in found} == {(6, 6), (7, 8)}
    assert not any("for the same user" in each["message"] for each in found)


def test_variables_that_match_are_named_beside_users_who_do_not_exist(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    erasure = "apiVersion: leanplum-sync/v1\nkind: Erasure\nmetadata: {name: gone}\nspec:\n  users: {inline: [u1, u2]}\n  full: true\n"
    (shell.folder / "specs" / "z.yaml").write_text(erasure)
    shell.environ["LEANPLUM_DATA_EXPORT_KEY"] = emulator.KEYS["data_export"]
    shell.run("plan", "--out", "b.lpplan", code=6)
    shell.run("apply", "b.lpplan", "--yes", "--ack", "erased=2")
    said = " ".join(shell.run("plan", "--out", "c.lpplan").stdout.split())
    assert "none of the 2 listed users exists, and 8 listed variables match the specs." in said
    set_variable(served, {"oldBanner": {"a": 1}})
    said = " ".join(shell.run("plan", "--out", "c.lpplan").stdout.split())
    assert "none of the 2 listed users exists, and not all of the 8 listed variables match the specs." in said


def test_two_plans_are_compared_by_their_variables(shell: Shell) -> None:
    shell.run("plan", "--out", "a.lpplan")
    path = shell.folder / "specs" / "paywall.yaml"
    path.write_text(SPEC.replace("value: 20", "value: 21"))
    shell.run("plan", "--out", "b.lpplan")
    assert (
        "1  variables would change now but not before"
        in shell.run("plan-diff", "a.lpplan", "b.lpplan").stdout
    )
    assert "6 variables would change as before" in shell.run("plan-diff", "a.lpplan", "a.lpplan").stdout
