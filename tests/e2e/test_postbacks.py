"""Postbacks from the spec to the proof: none is created twice, no URL is shown, and postbacks that no spec names stay."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Iterator
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
  environments:
    live: {appId: app_emulator, writes: dataExport, budget: {replaced: 1, removed: 1}, limits: {requestsPerSecond: 1000}}
"""
HEAD: Final = "apiVersion: leanplum-sync/v1\nkind: Postbacks\nmetadata: {name: hooks}\nspec:\n  postbacks:\n"
SPEC: Final = (
    HEAD
    + """\
    crm: {url: {env: CRM_URL}, channels: [Email], replaces: {env: OLD_CRM_URL}}
    tests: {url: {env: TESTS_URL}, type: abTestEvents}
    old: {url: {env: GONE_URL}, state: absent}
"""
)
CANARY: Final = "k7Qp93vLx2ZrT8"
URLS: Final = {
    "CRM_URL": f"https://crm.test/lp?u={{{{User ID}}}}&key={CANARY}crm",
    "OLD_CRM_URL": f"https://crm.test/lp?u={{{{User ID}}}}&key={CANARY}old",
    "TESTS_URL": f"https://{CANARY}tests.test/lp",
    "GONE_URL": f"https://user:{CANARY}gone@gone.test/",
}
BEFORE: Final = [("messageEvents", "OLD_CRM_URL"), ("messageEvents", "GONE_URL")]
AFTER: Final = [("abTestEvents", "TESTS_URL"), ("messageEvents", "CRM_URL")]
APPLY: Final = ("apply", "a.lpplan", "--yes")


def seeds(*postbacks: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"postback": {"postbackId": number, "type": type_, "postbackUrl": URLS[name]}}
        for number, (type_, name) in enumerate(postbacks, start=11)
    ]


def call(served: Served, action: str, **arguments: Any) -> Any:
    """Call the API as somebody else would."""
    key = emulator.KEYS["data_export"]
    body = {"appId": emulator.APP_ID, "clientKey": key, "apiVersion": "1.0.6", **arguments}
    url = f"{served.url}/api?action={action}"
    with urllib.request.urlopen(url, data=json.dumps(body).encode()) as answer:
        return json.load(answer)["response"][0]


def postbacks(served: Served) -> list[tuple[str, str]]:
    names = {url: name for name, url in URLS.items()}
    found = call(served, "listPostbacks")["postbacks"]
    return sorted((each["type"], names[each["postbackUrl"]]) for each in found)


def requests(served: Served, action: str) -> int:
    return int(served.counts()["requests"]["byAction"].get(action, 0))


def project(tmp_path: Path, served: Served, spec: str = SPEC) -> Shell:
    write_files(tmp_path / "shop", {"leanplum-sync.yaml": PROJECT, "specs/hooks.yaml": spec})
    # A job that has only the data export key.
    others = ("PRODUCTION", "DEVELOPMENT", "CONTENT_READ_ONLY")
    environ = {
        **served.every_key,
        brief_waits.VARIABLE: "1",
        **{f"LEANPLUM_{name}_KEY": "" for name in others},
        **URLS,
    }
    return Shell(tmp_path / "shop", environ)


def write_spec(shell: Shell, text: str) -> None:
    (shell.folder / "specs" / "hooks.yaml").write_text(HEAD + text)


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(*seeds(*BEFORE))


@pytest.fixture
def shell(tmp_path: Path, served: Served) -> Iterator[Shell]:
    """Whatever a test does: no file below the project has a part of a URL."""
    shell = project(tmp_path, served)
    yield shell
    for path in shell.folder.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


def test_a_walk_from_the_spec_to_the_proof(shell: Shell, served: Served) -> None:
    assert "Valid: 1 spec, 4 postbacks. Checked offline." in shell.run("validate").stdout
    planned = shell.json("plan", "--out", "a.lpplan")
    assert planned["things"] == {"listed": 4, "changed": 4, "tested": []}
    assert {hazard["name"]: hazard["count"] for hazard in planned["hazards"]} == {"replaced": 1, "removed": 1}
    assert (planned["cost"]["writes"], planned["batches"]) == (0, 4)
    for output in ("text", "json", "markdown", "html"):
        shown = shell.run("show", "a.lpplan", "-o", output).stdout
        assert "TESTS_URL" in shown
        assert CANARY not in shown
    assert "4 of 4 listed postbacks would change" in shell.run("show", "a.lpplan").stdout
    explained = shell.run("explain", "a.lpplan", "postback:CRM_URL").stdout
    assert "specs/hooks.yaml:6" in explained

    receipt = shell.json(*APPLY, "--verify", "all")
    assert receipt["actions"]["done"] == 4
    assert (receipt["verification"]["checked"], receipt["verification"]["equal"]) == (4, 4)
    assert CANARY not in json.dumps(receipt)
    assert postbacks(served) == AFTER
    assert (requests(served, "addPostback"), requests(served, "deletePostback")) == (2, 2)
    assert (requests(served, "multi"), requests(served, "exportUser")) == (0, 0)

    second = shell.run("plan", "--out", "b.lpplan").stdout
    assert "No changes: 4 listed postbacks match the specs." in second
    assert "No drift detected." in shell.run("drift").stdout


@pytest.mark.parametrize("budget", ["replaced", "removed"])
def test_what_deletes_a_postback_needs_consent(shell: Shell, served: Served, budget: str) -> None:
    project = shell.folder / "leanplum-sync.yaml"
    project.write_text(PROJECT.replace(f"{budget}: 1", f"{budget}: 0"))
    shell.run("plan", "--out", "a.lpplan", code=6)
    shell.run(*APPLY, code=6)
    assert postbacks(served) == sorted(BEFORE)
    shell.run(*APPLY, "--ack", f"{budget}=1")
    assert postbacks(served) == AFTER


@pytest.mark.parametrize("action", ["addPostback", "deletePostback"])
@pytest.mark.parametrize(
    "fault", ["cut-before", "cut-after", "truncated", "html", "status:when=after", "status:when=before"]
)
def test_a_lost_response_creates_no_second_postback(
    shell: Shell, served: Served, fault: str, action: str
) -> None:
    shell.run("plan", "--out", "a.lpplan")
    served.faults(f"{fault}{',' if ':' in fault else ':'}action={action},times=1")
    shell.run(*APPLY, "--verify", "all")
    assert postbacks(served) == AFTER
    served.faults("")
    assert shell.json("plan", "--out", "b.lpplan")["isEmpty"]


def test_while_the_list_cant_be_read_nothing_is_created_again(shell: Shell, served: Served) -> None:
    write_spec(shell, "    crm: {url: {env: CRM_URL}}\n")
    shell.run("plan", "--out", "a.lpplan")
    served.faults("cut-after:action=addPostback,times=1;status:status=500,action=listPostbacks,after=1")
    shell.run(*APPLY, "--verify", "none", code=5)
    assert requests(served, "addPostback") == 1
    served.faults("")
    shift_doubts(shell.journal, -3600)
    shell.run(*APPLY, "--resume")
    assert requests(served, "addPostback") == 1
    assert postbacks(served).count(("messageEvents", "CRM_URL")) == 1


def test_a_postback_that_somebody_creates_meanwhile_is_not_created_twice(
    shell: Shell, served: Served
) -> None:
    shell.run("plan", "--out", "a.lpplan")
    call(served, "addPostback", type="abTestEvents", postbackUrl=URLS["TESTS_URL"])
    receipt = shell.json(*APPLY, "--recheck", "off", "--verify", "all")
    assert (receipt["actions"]["done"], receipt["actions"]["already"]) == (3, 1)
    assert postbacks(served) == AFTER


def test_a_fourth_postback_is_rejected_and_its_url_is_not_shown(tmp_path: Path, serve: Serve) -> None:
    served = serve(*seeds(*BEFORE, ("abTestEvents", "CRM_URL")))
    shell = project(tmp_path, served, HEAD + "    tests: {url: {env: TESTS_URL}, type: abTestEvents}\n")
    shell.run("plan", "--out", "a.lpplan")
    receipt = shell.json(*APPLY, "--verify", "none", code=4)
    (rejected,) = receipt["exceptions"]
    assert "at most 3 postbacks" in rejected["message"]
    assert len(postbacks(served)) == 3
    call(served, "deletePostback", postbackId=13)
    shell.run("plan", "--out", "b.lpplan")
    shell.run("apply", "b.lpplan", "--yes")
    assert ("abTestEvents", "TESTS_URL") in postbacks(served)


@pytest.mark.parametrize("quoted", ["CRM_URL", "part"])
def test_a_message_that_quotes_the_url_is_withheld(shell: Shell, served: Served, quoted: str) -> None:
    write_spec(shell, "    crm: {url: {env: CRM_URL}}\n")
    shell.run("plan", "--out", "a.lpplan")
    text = URLS.get(quoted, f"The key {CANARY}crm is not allowed")
    served.faults(json.dumps({"fault": "status", "status": 400, "action": "addPostback", "text": text}))
    failed = shell.run(*APPLY, "--verify", "none", "-o", "json", code=4)
    assert CANARY not in failed.stdout + failed.stderr
    assert "is not shown" in failed.stdout
    for arguments in (["status"], ["show", "a.lpplan"], ["journal", "show", "1"], ["status", "-o", "json"]):
        shown = shell.start(*arguments).communicate(timeout=TIMEOUT_SECONDS)
        assert CANARY not in "".join(shown)


def test_a_skipped_write_is_no_success(shell: Shell, served: Served) -> None:
    write_spec(shell, "    crm: {url: {env: CRM_URL}}\n")
    shell.run("plan", "--out", "a.lpplan")
    served.faults("skipped:action=addPostback,times=1")
    receipt = shell.json(*APPLY, "--verify", "none", code=4)
    assert (receipt["actions"]["done"], receipt["actions"]["skipped"]) == (0, 1)
    assert postbacks(served) == sorted(BEFORE)


def test_two_of_the_same_postback_stay(tmp_path: Path, serve: Serve) -> None:
    twice = ("messageEvents", "GONE_URL")
    served = serve(*seeds(twice, twice))
    shell = project(tmp_path, served, HEAD + "    old: {url: {env: GONE_URL}, state: absent}\n")
    planned = shell.json("plan", "--out", "a.lpplan")
    (note,) = planned["notes"]
    assert (planned["isEmpty"], note["code"]) == (True, "several")
    assert note["samples"] == ["GONE_URL"]
    write_spec(shell, "    old: {url: {env: GONE_URL}}\n")
    assert shell.json("plan", "--out", "a.lpplan")["isEmpty"]


def test_what_others_changed_is_drift_and_undo_says_what_it_cant_do(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    call(served, "addPostback", type="messageEvents", postbackUrl=URLS["GONE_URL"])
    (other,) = [
        each["postbackId"]
        for each in call(served, "listPostbacks")["postbacks"]
        if "crm" in each["postbackUrl"]
    ]
    call(served, "deletePostback", postbackId=other)
    drift = shell.json("drift")
    assert {(each["field"], each["origin"]) for each in drift["moved"]} == {
        ("GONE_URL", "others"),
        ("CRM_URL", "others"),
    }
    assert "2 of 4 listed postbacks match the specs" in shell.run("drift").stdout
    undone = shell.json("undo", "1", "--out", "u.lpplan")
    sentences = {note["sentence"]: note["samples"] for note in undone["notes"]}
    (hidden,) = [each for sentence, each in sentences.items() if "doesn't show its channels" in sentence]
    assert hidden == ["OLD_CRM_URL"]
    shell.run("apply", "u.lpplan", "--yes")
    assert postbacks(served) == [("messageEvents", "GONE_URL")]


@pytest.mark.parametrize(
    "value", ["", "ftp://hooks.test", "hooks.test/lp", "https://", "https://hooks.test:99999/"]
)
def test_a_variable_without_a_url_stops_before_anything_is_sent(
    shell: Shell, served: Served, value: str
) -> None:
    shell.run("plan", "--out", "a.lpplan")
    shell.environ.update(CRM_URL=value, TESTS_URL=value)
    for arguments in (["plan", "--out", "b.lpplan"], APPLY):
        failed = shell.run(*arguments, code=9)
        assert "CRM_URL" in failed.stderr
        assert "TESTS_URL" in failed.stderr
        assert "ftp" not in failed.stderr
        assert "hooks.test" not in failed.stderr
    assert postbacks(served) == sorted(BEFORE)


def test_two_variables_with_the_same_url_are_an_error(shell: Shell, served: Served) -> None:
    write_spec(shell, "    a: {url: {env: CRM_URL}}\n    b: {url: {env: COPY}}\n")
    shell.environ["COPY"] = URLS["CRM_URL"]
    assert "COPY and CRM_URL hold the same URL" in shell.run("plan", "--out", "a.lpplan", code=9).stderr
    assert requests(served, "addPostback") == 0


def test_an_environment_for_other_keys_never_asks_for_urls(shell: Shell) -> None:
    file = shell.folder / "leanplum-sync.yaml"
    file.write_text(PROJECT.replace("writes: dataExport, ", ""))
    for name in URLS:
        del shell.environ[name]
    planned = shell.json("plan", "--out", "a.lpplan")
    assert planned["isEmpty"]
    advised = shell.run("validate")
    assert "live-data-export: {appId: app_emulator, writes: dataExport}" in advised.stdout + advised.stderr


@pytest.mark.parametrize("held_calls", range(5))
def test_a_killed_run_goes_on_where_it_was(shell: Shell, served: Served, held_calls: int) -> None:
    shell.run("plan", "--out", "a.lpplan")
    action, after = [
        ("listPostbacks", 0),
        ("deletePostback", 0),
        ("deletePostback", 1),
        ("addPostback", 0),
        ("addPostback", 1),
    ][held_calls]
    served.hold(action, after=after)
    process = shell.start(*APPLY, "--verify", "none")
    while not served.holds() and process.poll() is None:
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=TIMEOUT_SECONDS)
    served.release()
    shift_doubts(shell.journal, -3600)
    receipt = shell.json(*APPLY, "--verify", "all")
    assert receipt["actions"]["done"] + receipt["actions"]["already"] == 4
    assert postbacks(served) == AFTER
    assert requests(served, "addPostback") == 2


def test_ten_mistakes_are_reported_in_one_run(shell: Shell) -> None:
    write_spec(
        shell,
        f"""\
    a: {{url: "https://crm.test/{CANARY}"}}
    b: {{url: {{env: "https://crm.test/{CANARY}"}}}}
    c: {{type: messageEvents}}
    d: {{url: {{env: D}}, type: clicks}}
    e: {{url: {{env: E}}, channels: [Fax]}}
    f: {{url: {{env: F}}, channels: []}}
    g: {{url: {{env: G}}, state: gone}}
    h: {{url: {{env: H}}, state: absent, channels: [Email]}}
    i: {{url: {{env: I}}, replaces: "https://crm.test/{CANARY}"}}
    J: {{url: {{env: J}}}}
    k: {{url: {{env: K}}, chanels: [Email]}}
    l: {{url: {{env: CRM_URL}}}}
    m: {{url: {{env: CRM_URL}}}}
""",
    )
    found = shell.run("validate", "-o", "json", code=3)
    assert CANARY not in found.stdout + found.stderr
    assert CANARY not in shell.run("validate", code=3).stdout
    problems = json.loads(found.stdout)["problems"]
    assert {problem["place"]["line"] for problem in problems} >= {*range(6, 17), 18}, problems
    write_spec(shell, "")


def test_more_postbacks_than_an_app_can_have_are_a_problem(shell: Shell) -> None:
    write_spec(shell, "".join(f"    p{number}: {{url: {{env: URL_{number}}}}}\n" for number in range(4)))
    (problem,) = shell.json("validate", code=3)["problems"]
    assert problem["place"]["line"] == 9
    assert "an app can have 3" in problem["message"]
