"""The verbs one after another, in a new project."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from shell import Command

PLAN = ".leanplum-sync/sandbox.lpplan"


def test_a_new_project_validates_plans_applies_and_then_has_nothing_to_do(
    shop: Path, command: Command
) -> None:
    valid = command("validate")
    assert (valid.returncode, valid.stdout) == (
        0,
        "Valid: 1 spec, 6 rows for 6 users. Checked offline.\n",
    )
    planned = command("plan")
    assert planned.returncode == 0
    assert planned.stdout.startswith("Plan for sandbox (embedded emulator, nothing real is touched)\n")
    assert f"Next: leanplum-sync apply {PLAN}" in planned.stderr
    applied = command("apply", PLAN, "--yes")
    assert applied.returncode == 0
    assert applied.stdout.startswith("Applied to sandbox (embedded emulator, nothing real is touched)\n")
    again = command("plan", "--detailed-exitcode")
    assert again.returncode == 0
    assert "No changes" in again.stdout


def test_init_overwrites_nothing_and_names_what_is_in_the_way(shop: Path, command: Command) -> None:
    (shop / "leanplum-sync.yaml").write_text("mine")
    done = command("init")
    assert done.returncode == 64
    assert "leanplum-sync.yaml" in done.stderr
    assert (shop / "leanplum-sync.yaml").read_text() == "mine"


def test_init_says_how_to_leave_a_pipeline_that_is_there_alone(tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / ".gitlab-ci.yml").write_text("mine")
    done = command("init", str(folder))
    assert done.returncode == 64
    assert "--pipeline github|none" in done.stderr
    assert command("init", str(folder), "--pipeline", "none").returncode == 0


def test_init_leaves_settings_of_an_editor_alone(tmp_path: Path, command: Command) -> None:
    settings = tmp_path / "other" / ".vscode" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text("{}")
    done = command("init", "other")
    assert (done.returncode, "settings.json already exists and was left unchanged" in done.stderr) == (
        0,
        True,
    )
    assert settings.read_text() == "{}"
    assert (settings.parent / "leanplum-sync.schema.json").is_file()


def test_stdout_holds_the_document_alone_and_quiet_leaves_stderr_empty(shop: Path, command: Command) -> None:
    done = command("plan", "-o", "json", "--quiet")
    assert json.loads(done.stdout)["format"] == "leanplum-sync/plan-summary"
    assert done.stderr == ""


def test_several_documents_go_where_they_are_sent(shop: Path, command: Command) -> None:
    done = command("plan", "-o", "text=out/plan.txt", "-o", "json=plan.json")
    assert done.stdout == ""
    assert (shop / "out" / "plan.txt").read_text().startswith("Plan for sandbox")
    assert json.loads((shop / "plan.json").read_text())["users"]["changed"] == 4


def test_show_shows_what_plan_showed(shop: Path, command: Command) -> None:
    assert command("plan").stdout == command("show", PLAN).stdout


def test_problems_are_all_named_and_the_exit_code_is_3(shop: Path, command: Command) -> None:
    spec = shop / "specs" / "loyalty.yaml"
    spec.write_text(
        spec.read_text().replace("type: integer", "type: integr").replace("otherwise", "otherwize")
    )
    done = command("validate")
    assert done.returncode == 3
    assert (
        len(re.findall(r"^specs/loyalty\.yaml:\d+:\d+: UserAttributes/loyalty: ", done.stdout, re.MULTILINE))
        == 2
    )
    assert done.stdout.endswith("2 problems in 1 file.\n")
    planned = command("plan", "-o", "json")
    assert planned.returncode == 3
    assert json.loads(planned.stdout)["format"] == "leanplum-sync/problems"
    assert "specs/loyalty.yaml:" in planned.stderr
    assert not (shop / PLAN).exists()


def test_a_send_needs_consent_by_the_plans_number_and_is_made_once(
    shop_that_sends: Path, command: Command
) -> None:
    project = shop_that_sends / "leanplum-sync.yaml"
    project.write_text(project.read_text().replace("budget: {sends: 1000, createdUsers: 1000}", "budget: {}"))
    planned = command("plan")
    assert planned.returncode == 6
    assert "--ack sends=2" in planned.stdout
    assert (shop_that_sends / PLAN).exists()
    for options, says in (
        ((), "--ack sends=2"),
        (("--ack", "sends=3"), "this plan, whose number is 2"),
        (("--ack", "sends=2", "--ack", "removals=9"), "this plan, whose number is 2"),
    ):
        refused = command("apply", PLAN, "--yes", *options)
        assert (refused.returncode, says in refused.stderr) == (6, True)
    assert command("apply", PLAN, "--yes", "--ack", "sends=2").returncode == 0
    assert "No changes" in command("plan").stdout
    receipt = command("apply", PLAN, "--yes", "-o", "json")
    assert receipt.returncode == 0


def test_a_budget_that_was_lowered_after_planning_counts(shop: Path, command: Command) -> None:
    assert command("plan").returncode == 0
    project = shop / "leanplum-sync.yaml"
    project.write_text(
        project.read_text().replace("budget: {sends: 1000, createdUsers: 1000}", "budget: {changedUsers: 3}")
    )
    refused = command("apply", PLAN, "--yes")
    assert refused.returncode == 6
    assert "--ack changedUsers=4" in refused.stderr


def test_values_of_sensitive_attributes_are_in_no_rendering(shop_that_sends: Path, command: Command) -> None:
    spec = shop_that_sends / "specs" / "loyalty.yaml"
    spec.write_text(spec.read_text().replace("{from: points}", "{from: email}"))
    outputs = [
        command("plan"),
        command("plan", "-o", "json"),
        command("show", PLAN, "-o", "json"),
        command("explain", PLAN, "00001"),
        command("explain", PLAN, "00001", "-o", "json"),
        command("apply", PLAN, "--yes", "--ack", "sends=2", "-o", "json"),
    ]
    assert all(done.stdout for done in outputs)
    assert not any("ada@example.com" in done.stdout + done.stderr for done in outputs)


def test_apply_without_a_terminal_needs_yes(shop: Path, command: Command) -> None:
    command("plan")
    done = command("apply", PLAN, answer="4\n")
    assert done.returncode == 64
    assert "--yes" in done.stderr


def test_an_empty_plan_is_applied_without_asking(shop: Path, command: Command) -> None:
    command("plan")
    command("apply", PLAN, "--yes")
    command("plan")
    done = command("apply", PLAN)
    assert done.returncode == 0
    assert "No changes" in done.stdout


def test_a_plan_whose_inputs_have_changed_is_refused_and_each_change_is_named(
    shop: Path, command: Command
) -> None:
    command("plan")
    (shop / "data" / "customers.csv").write_text("customer_id,orders,band\n00001,13,A\n")
    (shop / "specs" / "loyalty.yaml").rename(shop / "specs" / "other.yaml")
    done = command("apply", PLAN, "--yes")
    assert done.returncode == 7
    assert "data/customers.csv has changed" in done.stderr
    assert "specs/loyalty.yaml is gone" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("apply", PLAN, "--yes", "-e", "production"),
            "made for the environment sandbox, not for production",
        ),
        (("apply", "missing.lpplan", "--yes"), "missing.lpplan"),
        (("show", "leanplum-sync.yaml"), "leanplum-sync.yaml"),
    ],
)
def test_a_foreign_missing_or_damaged_plan_is_refused(
    arguments: tuple[str, ...], says: str, shop: Path, command: Command
) -> None:
    command("plan")
    done = command(*arguments)
    assert done.returncode == 7
    assert says in done.stderr


def test_planning_a_real_environment_asks_for_what_reads_only(shop: Path, command: Command) -> None:
    missing = command("plan", "-e", "production")
    assert missing.returncode == 9
    assert "LEANPLUM_APP_ID" in missing.stderr
    variables = {"LEANPLUM_APP_ID": "app_1", "LEANPLUM_API_URL": "http://127.0.0.1:1"}
    missing = command("plan", "-e", "production", variables=variables)
    assert missing.returncode == 9
    assert "LEANPLUM_DATA_EXPORT_KEY" in missing.stderr
    assert "PRODUCTION" not in missing.stderr


def test_select_and_exclude_choose_specs_by_their_address(shop_that_sends: Path, command: Command) -> None:
    only = command("plan", "--select", "UserAttributes/*", "-o", "json")
    assert only.returncode == 0
    assert {group["resource"] for group in json.loads(only.stdout)["cohorts"]} == {"UserAttributes/loyalty"}
    without = command("plan", "--exclude", "UserAttributes/loy*", "-o", "json")
    assert {group["resource"] for group in json.loads(without.stdout)["cohorts"]} == {"MessageSend/hello"}


def test_explain_tells_ids_apart_and_names_the_line_that_asks(shop: Path, command: Command) -> None:
    command("plan")
    known = command("explain", PLAN, "00001")
    assert "loyalty_points  (none) → 120" in known.stdout
    assert "specs/loyalty.yaml:18" in known.stdout
    stays = command("explain", PLAN, "00005")
    assert "already as desired" in stays.stdout
    unknown = command("explain", PLAN, "1")
    assert (unknown.returncode, unknown.stdout) == (64, "")
    assert "Neither the plan nor the specs list '1'" in unknown.stderr


def test_a_file_that_is_no_plan_is_not_called_a_damaged_one(shop: Path, command: Command) -> None:
    for verb in ("apply", "show"):
        done = command(verb, "data/customers.csv")
        assert done.returncode == 7
        assert "data/customers.csv is not a plan" in done.stderr
    command("plan")
    assert ".leanplum-sync/journal.db is not a plan" in command("show", ".leanplum-sync/journal.db").stderr
    assert "specs is a folder, not a plan" in command("show", "specs").stderr
    assert "plan --out FILE.lpplan" in command("show", "new.md").stderr


def test_pull_writes_no_ndjson_under_another_name(shop: Path, command: Command) -> None:
    done = command("pull", "00001", "--out", "users.csv")
    assert done.returncode == 64
    assert "choose a file name that ends with .ndjson, .ndjson.gz, or .ndjson.zst" in done.stderr
    assert not (shop / "users.csv").exists()


def test_a_snapshot_that_lacks_users_is_not_to_be_overwritten(shop: Path, command: Command) -> None:
    (shop / "seed" / "few.ndjson").write_text('{"userId": "00001"}\n')
    done = command("plan", "--observed", "seed/few.ndjson")
    assert done.returncode == 7
    assert "pull --out NEW.ndjson" in done.stderr
    assert "pull --out seed" not in done.stderr


def test_pull_reads_a_snapshot_that_plan_takes(shop: Path, command: Command) -> None:
    pulled = command("pull", "--from", "data/customers.csv", "--out", "before.ndjson.gz")
    assert pulled.returncode == 0
    assert "6  users read into before.ndjson.gz" in pulled.stdout
    assert "1  of them does not exist in the app" in pulled.stdout
    assert command("plan", "--observed", "before.ndjson.gz", "-o", "json").returncode == 0
    assert command("plan", "--observed", "before.ndjson.gz", "--max-age", "0s").returncode == 7
    again = command("pull", "00001", "device:D1", "--out", "before.ndjson.gz", "-o", "json")
    assert [json.loads(again.stdout)[name] for name in ("read", "reused", "missing")] == [1, 1, 1]


def test_ids_are_read_from_a_tab_separated_file(shop: Path, command: Command) -> None:
    (shop / "ids.tsv").write_text("name\tuserId\nAda, of London\t00001\n")
    pulled = command("pull", "--from", "ids.tsv", "--out", "users.ndjson", "-o", "json")
    assert (pulled.returncode, json.loads(pulled.stdout)["read"]) == (0, 1)


def test_status_tells_of_runs(shop: Path, command: Command) -> None:
    assert "No runs yet" in command("status").stdout
    command("plan")
    command("apply", PLAN, "--yes")
    assert "1  finished  sandbox" in command("status").stdout
    assert json.loads(command("status", "-o", "json").stdout)["runs"][0]["state"] == "finished"


def test_schema_describes_one_kind_or_all(command: Command) -> None:
    assert json.loads(command("schema", "MessageSend").stdout)["title"].startswith("MessageSend")
    assert "oneOf" in json.loads(command("schema").stdout)
    assert command("schema", "Nonsense").returncode == 64


def test_going_without_a_project_is_wrong_specs_and_naming_none_that_exists_is_wrong_usage(
    command: Command,
) -> None:
    assert command("plan").returncode == 3
    done = command("plan", "--project", "nowhere.yaml")
    assert (done.returncode, "nowhere.yaml" in done.stderr) == (64, True)


def test_what_an_argument_holds_cant_send_escape_codes_to_a_terminal(shop: Path, command: Command) -> None:
    done = command("plan", "-e", "\x1b[31mred")
    assert done.returncode == 64
    assert "\x1b" not in done.stderr


def test_verbose_says_where_things_are(shop: Path, command: Command) -> None:
    assert "environment sandbox" in command("plan", "--verbose").stderr
    assert "environment sandbox" not in command("plan").stderr


def test_a_project_file_of_another_name_can_be_named(shop: Path, command: Command) -> None:
    (shop / "leanplum-sync.yaml").rename(shop / "other.yaml")
    assert command("validate", "--project", "other.yaml").returncode == 0
    assert command("--project", "other.yaml", "validate").returncode == 0
    assert command("validate", variables={"LEANPLUM_SYNC_PROJECT": "other.yaml"}).returncode == 0


def test_all_groups_are_shown_on_request(shop: Path, command: Command) -> None:
    names = ", ".join(f"name_{number}: x" for number in range(60))
    (shop / "specs" / "wide.yaml").write_text(
        "apiVersion: leanplum-sync/v1\nkind: UserAttributes\nmetadata: {name: wide}\n"
        f'spec:\n  users: {{inline: ["00001"]}}\n  attributes: {{{names}}}\n'
    )
    planned = command("plan", "specs/wide.yaml").stdout
    assert planned.count("name_") == 40
    assert "  and 20 more groups; show PLAN --all lists them\n" in planned
    for shown in (command("show", PLAN, "--all"), command("plan", "specs/wide.yaml", "--all")):
        assert shown.stdout.count("name_") == 60


def test_users_who_do_not_exist_are_created_on_request_or_seeded_again(shop: Path, command: Command) -> None:
    spec = shop / "specs" / "own.yaml"
    spec.write_text(
        "apiVersion: leanplum-sync/v1\nkind: UserAttributes\nmetadata: {name: own}\n"
        "spec:\n  users: {inline: [ada, ben]}\n  attributes: {newsletter: true}\n"
    )
    planned = command("plan", "specs/own.yaml")
    assert "No changes: none of the 2 listed users exists." in planned.stdout
    assert "createUsers: true in the spec" in planned.stdout
    assert "seed" not in planned.stderr
    with (shop / "seed" / "users.ndjson").open("a") as seed:
        seed.write('{"userId": "ada"}\n')
    told = command("plan", "specs/own.yaml").stderr
    assert "To start again from the new seed: rm .leanplum-sync/emulator.db*" in told
    for file in (shop / ".leanplum-sync").glob("emulator.db*"):
        file.unlink()
    again = command("plan", "specs/own.yaml")
    assert "1 of 2 listed users would change" in again.stdout
    assert "seed" not in again.stderr
    spec.write_text(spec.read_text() + "  createUsers: true\n")
    # In the emulator there is a budget for it. Elsewhere it is for a person to consent to.
    assert "1  created users       within the budget of 1,000" in command("plan", "specs/own.yaml").stdout
    assert command("apply", "--yes", ".leanplum-sync/sandbox.lpplan").returncode == 0


def test_a_byte_order_mark_in_a_seed_and_in_a_snapshot_is_skipped(shop: Path, command: Command) -> None:
    mark = "\ufeff".encode()
    seed, snapshot = shop / "seed" / "users.ndjson", shop / "users.ndjson"
    seed.write_bytes(mark + seed.read_bytes())
    assert command("pull", "--out", "users.ndjson").returncode == 0
    snapshot.write_bytes(mark + snapshot.read_bytes())
    assert command("plan", "--observed", "users.ndjson").returncode == 0
