from __future__ import annotations

import textwrap
from typing import Any

import pytest

from leanplum_sync.project.model import (
    BudgetModel,
    EmbeddedEnvironment,
    FromVariable,
    KeysModel,
    Limits,
    LiveEnvironment,
)


def write(folder: Any, spec: str) -> None:
    head = "apiVersion: leanplum-sync/v1\nkind: Project\nmetadata: {name: shop}\nspec:\n"
    folder.write("leanplum-sync.yaml", head + textwrap.indent(textwrap.dedent(spec).strip("\n"), "  ") + "\n")
    (folder.root / "specs").mkdir(exist_ok=True)


def test_a_project_that_says_nothing_works_on_the_embedded_emulator(folder: Any) -> None:
    write(folder, "{}")
    project = folder.load().project
    assert project.default_environment == "sandbox"
    assert project.environments == {
        "sandbox": EmbeddedEnvironment("sandbox", (), BudgetModel(), Limits(8, None))
    }
    assert project.journal == ".leanplum-sync/journal.db"
    assert [named.text for named in project.specs] == ["specs"]


def test_every_setting_is_taken_over(folder: Any) -> None:
    folder.write("seed/users.ndjson", "{}\n")
    write(
        folder,
        """
        specs: [specs]
        journal: {env: SHOP_JOURNAL}
        defaultEnvironment: live
        environments:
          sandbox: {emulator: embedded, seed: seed/users.ndjson, limits: {concurrency: 2}}
          live:
            appId: {env: SHOP_APP}
            keys: {production: SHOP_PROD_KEY}
            budget: {sends: 5, changedUsers: 100, forcedSends: 1}
          plain: {appId: app_123}
        limits: {requestsPerSecond: 12.5}
        sensitive: [email, phone]
        budget: {removals: 3}
        """,
    )
    loaded = folder.load()
    assert loaded.problems == ()
    project = loaded.project
    assert project.journal == FromVariable("SHOP_JOURNAL")
    assert project.default_environment == "live"
    assert project.sensitive == {"email", "phone"}
    assert project.environments == {
        "sandbox": EmbeddedEnvironment(
            "sandbox", ("seed/users.ndjson",), BudgetModel(removals=3), Limits(2, None)
        ),
        "live": LiveEnvironment(
            "live",
            FromVariable("SHOP_APP"),
            KeysModel(production="SHOP_PROD_KEY"),
            BudgetModel(sends=5, changedUsers=100, forcedSends=1),
            Limits(8, 12.5),
        ),
        "plain": LiveEnvironment("plain", "app_123", KeysModel(), BudgetModel(removals=3), Limits(8, 12.5)),
    }


def test_with_several_environments_none_is_taken_by_default(folder: Any) -> None:
    write(folder, "environments: {one: {emulator: embedded}, two: {}}")
    project = folder.load().project
    assert project.default_environment is None
    assert project.environments["two"].app_id == FromVariable("LEANPLUM_APP_ID")


@pytest.mark.parametrize(
    ("spec", "place", "message"),
    [
        ("sensitve: [a]", "5:3", "unknown key `sensitve`. Did you mean sensitive?"),
        ("limits: {concurrency: 0}", "5:25", "`concurrency` is too small. Write 1 or more."),
        ("limits: {concurrency: many}", "5:25", '`concurrency` is "many", but must be a whole number. Write digits, without quotes.'),
        ("budget: {sends: 1.5}", "5:19", "`sends` is the number 1.5, but must be a whole number. Write digits, without quotes."),
        ("budget: {send: 1}", "5:12", "unknown key `send`. Did you mean sends?"),
        ("defaultEnvironment: live", "5:3", "unknown environment. Choose one of: sandbox."),
        ("environments: {a: {emulator: embeded}}", "5:32", '`emulator` is "embeded", but must be embedded. Did you mean embedded?'),
        ("environments: {a: {emulator: embedded, appId: x}}", "5:42", "unknown key `appId`. The keys here are emulator, seed, writes, budget, observe, limits."),
        ("environments: {a: {seed: x.ndjson}}", "5:18", "`emulator` is missing. Write it, such as `emulator: embedded`."),
        ("environments: {a: {emulator: embedded, seed: x.ndjson}}", "5:42", "this file or folder doesn't exist. Paths are relative to this file."),
        ("environments: {a: {keys: {prod: X}}}", "5:29", "unknown key `prod`. Did you mean production?"),
        ("environments: {a: {keys: {production: A B}}}", "5:41", "this is not the name of an environment variable. Letters, digits, and _, such as LEANPLUM_PRODUCTION_KEY."),
        ("environments: {a: {appId: 5}}", "5:29", "this is not text. Write text, or {env: NAME_OF_A_VARIABLE}."),
        ("specs: [nowhere]", "5:11", "this file or folder doesn't exist. Paths are relative to this file."),
        ("specs: [../..]", "5:11", "this path is outside the project folder. Copy the file into the project."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_project_is_said_once(folder: Any, spec: str, place: str, message: str) -> None:
    write(folder, spec)
    assert folder.complaints() == [f"leanplum-sync.yaml:{place}: Project/shop: {message}"]


@pytest.mark.parametrize(
    "spec",
    [
        "environments: {live: {keys: {production: SECRET}}}",
        "environments: {live: {appId: SECRET}}",
        "environments: {live: {appId: {env: SECRET}}}",
        "environments: {live: {productionKey: SECRET}}",
        "journal: SECRET",
        "journal: postgresql://me:SECRET@host/db",
        "SECRET: 1",
        "limits: SECRET",
    ],
)
def test_a_key_in_the_file_is_refused_and_never_shown(folder: Any, spec: str) -> None:
    secret = "prod_Ab3dEf9hIjKlMn0pQrSt"
    write(folder, spec.replace("SECRET", secret))
    loaded = folder.load()
    assert len(loaded.problems) == 1
    assert secret not in repr(loaded)


@pytest.mark.parametrize(
    "connection",
    [
        "{url: 'postgresql://a:SECRET@b/c'}",
        "{url: 'postgresql://b/c?user=a&password=SECRET'}",
        "{url: 'postgresql://a@b/c?sslpassword=SECRET'}",
        "{url: 'flightsql://b:1?token=SECRET'}",
        "{url: 'snowflake://a@b/c?passcode=SECRET'}",
        "{url: 'snowflake://a@b/c?authenticator=SNOWFLAKE_JWT&privateKey=SECRET'}",
        "{url: 's3://b', options: {secret_access_key: SECRET}}",
        "{url: 's3://b', options: {region: eu, AWS_SESSION_TOKEN: SECRET}}",
        "{url: 'gs://b', options: {service_account_key: SECRET}}",
        "{url: 'az://b', options: {account_key: {env: KEY, otherwise: SECRET}}}",
        "{url: 'az://b', options: {sas_token: SECRET}}",
        "{url: 'az://b', options: {client_secret: SECRET}}",
    ],
)
def test_a_secret_of_a_connection_is_refused_and_never_shown(folder: Any, connection: str) -> None:
    secret = "s3cret-of-ours"
    write(folder, f"connections: {{lake: {connection.replace('SECRET', secret)}}}")
    loaded = folder.load()
    (problem,) = loaded.problems
    assert problem.message.endswith("is a secret")
    assert "{env: NAME_OF_THE_VARIABLE}" in problem.hint
    assert secret not in repr(loaded)


def test_names_of_keys_and_files_of_a_connection_are_no_secrets(folder: Any) -> None:
    options = "{access_key_id: A, federated_token_file: /run/token, skip_signature: 'true', account_key: {env: KEY}}"
    write(folder, f"connections: {{lake: {{url: 's3://b', options: {options}}}}}")
    assert folder.load().problems == ()


@pytest.mark.parametrize(
    ("spec", "variable"),
    [
        ("environments: {live: {appId: {env: LEANPLUM_PRODUCTION_KEY}}}", "LEANPLUM_PRODUCTION_KEY"),
        ("environments: {live: {appId: {env: SHOP_KEY}, keys: {production: SHOP_KEY}}}", "SHOP_KEY"),
        ("journal: {env: LEANPLUM_DEVELOPMENT_KEY}", "LEANPLUM_DEVELOPMENT_KEY"),
        ("journal: {env: LEANPLUM_SYNC_PLAN_KEY}", "LEANPLUM_SYNC_PLAN_KEY"),
        ("environments: {live: {appId: {env: LEANPLUM_SYNC_PLAN_KEY}}}", "LEANPLUM_SYNC_PLAN_KEY"),
    ],
)
def test_what_is_shown_does_not_come_from_a_variable_that_holds_a_key(
    folder: Any, spec: str, variable: str
) -> None:
    write(folder, spec)
    (problem,) = folder.load().problems
    assert problem.message == f"{variable} contains a key, which would be shown here"


@pytest.mark.parametrize(
    "setting",
    [
        "journal: {env: SHOP_URL}",
        "connections: {warehouse: {url: {env: SHOP_URL}}}",
        "connections: {lake: {url: 's3://shop', options: {token: {env: SHOP_URL}}}}",
    ],
)
def test_an_app_id_does_not_come_from_the_variable_of_an_address(folder: Any, setting: str) -> None:
    write(folder, f"{setting}\nenvironments: {{live: {{appId: {{env: SHOP_URL}}}}}}")
    (problem,) = folder.load().problems
    assert problem.message == "SHOP_URL contains an address or a secret, which would be shown here"


@pytest.mark.parametrize("form", ["{}", "{{env: UNSET, otherwise: '{}'}}"])
@pytest.mark.parametrize("text", ["host=db password=s3cret", "password = s3cret"])
def test_a_journal_is_not_a_connection_string_with_a_password(folder: Any, form: str, text: str) -> None:
    write(folder, f"journal: {form.format(text)}")
    (problem,) = folder.load().problems
    assert problem.message == "this is a secret"


@pytest.mark.parametrize("journal", ["../journal.db", "/tmp/journal.db", "a/../../journal.db"])
def test_a_journal_file_that_the_project_names_is_inside_the_project(folder: Any, journal: str) -> None:
    write(folder, f"journal: {journal}")
    (problem,) = folder.load().problems
    assert problem.message == "this path is outside the project folder"


def test_specs_are_read_even_if_the_project_file_has_problems(folder: Any) -> None:
    write(folder, "nonsense: 1")
    folder.write("specs/x.yaml", "kind: Nothing\n")
    assert [complaint.split(":")[0] for complaint in folder.complaints()] == [
        "leanplum-sync.yaml",
        "specs/x.yaml",
    ]


def test_a_project_file_holds_one_document(folder: Any) -> None:
    path = folder.root / "leanplum-sync.yaml"
    path.write_text(path.read_text() + "---\na: 1\n")
    assert [problem.message for problem in folder.load().problems] == [
        "a project file must have exactly one document"
    ]


def test_a_missing_project_file_is_a_problem(folder: Any) -> None:
    (folder.root / "leanplum-sync.yaml").unlink()
    loaded = folder.load()
    assert loaded.project is None
    assert [str(problem) for problem in loaded.problems] == [
        "leanplum-sync.yaml: the file can't be read: no such file or directory."
    ]


def test_users_are_read_in_batches_only_where_a_project_or_an_environment_says_so(folder: Any) -> None:
    write(
        folder,
        """
        limits: {readInBatches: true}
        environments: {one: {emulator: embedded}, two: {limits: {readInBatches: false}}}
        """,
    )
    project = folder.load().project
    assert {name: each.limits.read_in_batches for name, each in project.environments.items()} == {
        "one": True,
        "two": False,
    }


def test_environments_that_name_one_app_are_advised_against(folder: Any) -> None:
    write(
        folder,
        """
        environments:
          sandbox: {emulator: embedded}
          other: {emulator: embedded}
          live: {appId: app_123}
          again:
            appId: "app_123"
          mine: {appId: {env: SHOP_APP}}
          yours: {appId: {env: SHOP_APP}}
          erasing: {appId: app_123, writes: development}
        """,
    )
    folder.spec("UserAttributes", "{users: {inline: [u1]}, attributes: {tier: gold}}")
    loaded = folder.load()
    assert loaded.problems == ()
    (note,) = loaded.notes
    assert str(note) == (
        "leanplum-sync.yaml:10:14: Project/shop: again and live use the same app: only one of them can run at a time, and an"
        " unfinished run of the other can't be resumed afterwards (see leanplum-sync.yaml:8:19). Use one environment per app and key."
    )
