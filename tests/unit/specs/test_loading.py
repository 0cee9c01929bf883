from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from leanplum_sync.errors import SpecError
from leanplum_sync.specs import find_project, load

THREE_KINDS = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers, description: Tiers, owner: crm@example.com}
spec:
  users: {file: data/customers.csv, id: customer_id}
  attributes: {tier: {column: band}}
---
apiVersion: leanplum-sync/v1
kind: PushTokens
metadata: {name: tokens, dependsOn: [UserAttributes/tiers]}
spec:
  devices: {inline: [{id: d1, token: x}]}
  token: {android: {column: token}}
---
apiVersion: leanplum-sync/v1
kind: MessageSend
metadata: {name: hello, dependsOn: [UserAttributes/tiers, PushTokens/tokens]}
spec:
  message: {name: Hello}
  recipients: {inline: [u1]}
  delivery: d1
"""
CUSTOMERS = "customer_id,band\n00004,A\n"


def spec_named(name: str, *, depends_on: str = "") -> str:
    return f"""\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {{name: {name}, dependsOn: [{depends_on}]}}
spec: {{users: {{inline: [u1]}}, attributes: {{a: 1}}}}
"""


def test_resources_come_sorted_by_address_whatever_the_order_of_files(folder: Any) -> None:
    folder.write("specs/it.yaml", THREE_KINDS)
    folder.write("specs/data/customers.csv", CUSTOMERS)
    folder.write("specs/a/deep/one.yml", spec_named("zebra"))
    loaded = folder.load()
    assert loaded.problems == ()
    assert [str(resource.address) for resource in loaded.resources] == [
        "MessageSend/hello",
        "PushTokens/tokens",
        "UserAttributes/tiers",
        "UserAttributes/zebra",
    ]
    assert [resource.kind.name for resource in loaded.resources[:3]] == [
        "MessageSend",
        "PushTokens",
        "UserAttributes",
    ]
    assert [str(address) for address in loaded.resources[0].depends_on] == [
        "UserAttributes/tiers",
        "PushTokens/tokens",
    ]
    assert str(loaded.resources[1].place) == "specs/it.yaml:9:1"


def test_inputs_are_the_spec_and_data_files_with_their_digests(folder: Any) -> None:
    folder.write("specs/it.yaml", THREE_KINDS)
    folder.write("specs/data/customers.csv", CUSTOMERS)
    inputs = folder.load().inputs
    assert [each.path for each in inputs] == ["specs/data/customers.csv", "specs/it.yaml"]
    assert inputs[0].sha256 == hashlib.sha256(CUSTOMERS.encode()).hexdigest()


def test_what_is_loaded_does_not_depend_on_where_the_project_lies(folder: Any, tmp_path: Path) -> None:
    folder.write("specs/it.yaml", THREE_KINDS)
    folder.write("specs/data/customers.csv", CUSTOMERS)
    here = folder.load()
    (tmp_path / "elsewhere").mkdir()
    for name in ("leanplum-sync.yaml", "specs"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    there = load(tmp_path / "elsewhere" / "leanplum-sync.yaml")
    assert [each.place for each in there.resources] == [each.place for each in here.resources]
    assert there.inputs == here.inputs


def test_only_the_chosen_files_are_read(folder: Any) -> None:
    folder.write("specs/it.yaml", THREE_KINDS)
    folder.write("specs/data/customers.csv", CUSTOMERS)
    chosen = folder.write("specs/one.yaml", spec_named("one", depends_on="UserAttributes/tiers"))
    loaded = folder.load(chosen)
    assert loaded.problems == ()
    assert [str(resource.address) for resource in loaded.resources] == ["UserAttributes/one"]
    assert [each.path for each in loaded.inputs] == ["specs/one.yaml"]


def test_a_chosen_file_must_be_there_and_in_the_project(
    folder: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "x.yaml"
    outside.write_text("a: 1\n")
    messages = [problem.message for problem in folder.load(folder.root / "no.yaml", outside).problems]
    assert sorted(messages) == ["this file is not in the project", "this file or folder doesn't exist"]


def test_names_are_unique_among_those_of_a_kind(folder: Any) -> None:
    folder.write("specs/a.yaml", spec_named("one"))
    folder.write("specs/b.yaml", spec_named("one"))
    (problem,) = folder.load().problems
    assert problem.message == "UserAttributes/one is defined twice"
    assert (str(problem.place), str(problem.also)) == ("specs/b.yaml:3:12", "specs/a.yaml:3:12")


def test_dependencies_must_be_there(folder: Any) -> None:
    folder.write("specs/a.yaml", spec_named("one", depends_on="UserAttributes/too, nonsense"))
    folder.write("specs/b.yaml", spec_named("two"))
    assert [(str(problem.place), problem.message, problem.hint) for problem in folder.load().problems] == [
        ("specs/a.yaml:3:35", "there is no UserAttributes/too", "Did you mean UserAttributes/two?"),
        (
            "specs/a.yaml:3:55",
            "there is no nonsense",
            "Write kind/name, such as UserAttributes/loyalty-tiers.",
        ),
    ]


@pytest.mark.parametrize(
    ("edges", "circle"),
    [
        ({"a": "a"}, "UserAttributes/a -> UserAttributes/a"),
        ({"a": "b", "b": "c", "c": "b"}, "UserAttributes/b -> UserAttributes/c -> UserAttributes/b"),
    ],
)
def test_dependencies_do_not_go_in_circles(folder: Any, edges: dict[str, str], circle: str) -> None:
    for name, target in edges.items():
        folder.write(f"specs/{name}.yaml", spec_named(name, depends_on=f"UserAttributes/{target}"))
    (problem,) = folder.load().problems
    assert problem.message == f"dependencies form a cycle: {circle}"


def test_a_diamond_of_dependencies_is_no_circle(folder: Any) -> None:
    edges = {
        "a": "UserAttributes/b, UserAttributes/c",
        "b": "UserAttributes/d",
        "c": "UserAttributes/d",
        "d": "",
    }
    for name, targets in edges.items():
        folder.write(f"specs/{name}.yaml", spec_named(name, depends_on=targets))
    assert folder.complaints() == []


def test_a_document_with_problems_still_counts_as_a_dependency(folder: Any) -> None:
    folder.write("specs/a.yaml", spec_named("one", depends_on="UserAttributes/two"))
    folder.write("specs/b.yaml", spec_named("two").replace("inline", "inlin"))
    assert all("b.yaml" in complaint for complaint in folder.complaints())


def test_what_is_sound_in_a_document_is_there_for_more_checks(folder: Any) -> None:
    folder.spec("UserAttributes", "users: {inline: [u1]}\nattributes: {good: 1, bad: []}")
    loaded = folder.load()
    assert len(loaded.problems) == 1
    assert [part.wish.name for part in loaded.resources[0].parts] == ["good"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "specs/x.yaml:1:1: the file contains no document. Write a spec, or remove the file."),
        (b"# only a comment\n", "specs/x.yaml:1:1: the file contains no document. Write a spec, or remove the file."),
        (b"kind: caf\xe9\n", "specs/x.yaml:1:10: this is not UTF-8. Save the file as UTF-8."),
        (b"\xef\xbb\xbfkind: \xc3\xa9\xe9\n", "specs/x.yaml:1:8: this is not UTF-8. Save the file as UTF-8."),
        (b"\xef\xbb\xbf\xe1a\n", "specs/x.yaml:1:1: this is not UTF-8. Save the file as UTF-8."),
        (b"- a\n", "specs/x.yaml:1:1: a spec must be a mapping. It starts with apiVersion: leanplum-sync/v1."),
        (b"a: 1\n", "specs/x.yaml:1:1: `kind` is missing. Write one of: UserAttributes, PushTokens, Subscriptions, MessageSend, Events, Erasure, Variables, NotificationChannels, Postbacks, Expectations, Exports."),
        (b"kind: [a]\n", "specs/x.yaml:1:7: unknown kind: a list. Write one of: UserAttributes, PushTokens, Subscriptions, MessageSend, Events, Erasure, Variables, NotificationChannels, Postbacks, Expectations, Exports."),
        (b"kind: Project\n", 'specs/x.yaml:1:7: unknown kind: "Project". A project is described in leanplum-sync.yaml, at the top of its folder.'),
        (b"a: 1\n\tb: 1\n", "specs/x.yaml:2:1: there is a tab here. YAML is indented with spaces: replace the tab."),
    ],
)  # fmt: skip
def test_a_file_that_is_no_spec_is_one_problem(folder: Any, content: bytes, complaint: str) -> None:
    folder.write("specs/x.yaml", content)
    assert folder.complaints() == [complaint]


def test_a_byte_order_mark_of_a_spec_does_no_harm(folder: Any) -> None:
    folder.write("specs/x.yaml", b"\xef\xbb\xbf" + spec_named("one").encode())
    assert folder.complaints() == []


def test_hidden_files_and_other_files_are_passed_over(folder: Any) -> None:
    for name in ("specs/.draft.yaml", "specs/.old/x.yaml", "specs/notes.txt"):
        folder.write(name, "not: [yaml")
    folder.write("specs/x.yaml", spec_named("one"))
    assert folder.complaints() == []


def test_a_project_without_specs_is_sound_and_says_so(folder: Any) -> None:
    loaded = folder.load()
    assert (loaded.problems, loaded.resources) == ((), ())
    assert [note.message for note in loaded.notes] == ["there are no specs yet"]


def test_long_inline_lists_get_advice(folder: Any) -> None:
    ids = ", ".join(f"u{number}" for number in range(501))
    folder.spec("UserAttributes", f"users: {{inline: [{ids}]}}\nattributes: {{a: 1}}")
    loaded = folder.load()
    assert loaded.problems == ()
    assert [note.hint for note in loaded.notes] == ["Put it in a data file."]


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        ("../../outside.csv", "this path is outside the project folder. Copy the file into the project."),
        ("/etc/hostname", "this is not a valid relative path. Write it relative to this file."),
        ("C:/data.csv", "this is not a valid relative path. Write it relative to this file."),
        ("nowhere.csv", "this file or folder doesn't exist. Paths are relative to this file."),
        (
            "data/here.csv",
            "this file or folder doesn't exist. Paths are relative to this file: write ../data/here.csv.",
        ),
        ("..\\\\data\\\\here.csv", "this file or folder doesn't exist. Write paths with forward slashes."),
        ("../data", "this is not a file. Specify one data file."),
        ("link.csv", "this path is outside the project folder. Copy the file into the project."),
        ("loop.csv", "this path can't be resolved. Do symbolic links in it form a loop?"),
        (
            "../data/file.txt",
            "the file's format can't be determined from its name. Write `format: csv`, `ndjson`, or `parquet`.",
        ),
        ("../data/file.parquet.gz", "a Parquet file is already compressed inside. Decompress it."),
    ],
)
def test_data_files_stay_inside_the_project(
    folder: Any, tmp_path_factory: pytest.TempPathFactory, file: str, complaint: str
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "outside.csv"
    outside.write_text("id\nu1\n")
    for name in ("data/here.csv", "data/file.txt", "data/file.parquet.gz"):
        folder.write(name, "id\nu1\n")
    folder.spec("UserAttributes", f'users: {{file: "{file}", id: id}}\nattributes: {{a: 1}}')
    (folder.root / "specs/link.csv").symlink_to(outside)
    (folder.root / "specs/loop.csv").symlink_to(folder.root / "specs/loop.csv")
    assert folder.complaints() == [f"specs/it.yaml:5:17: UserAttributes/it: {complaint}"]


def test_a_link_inside_the_project_is_followed(folder: Any) -> None:
    folder.write("data/here.csv", "id\nu1\n")
    folder.spec("UserAttributes", "users: {file: link.csv, id: id}\nattributes: {a: 1}")
    (folder.root / "specs/link.csv").symlink_to(folder.root / "data/here.csv")
    assert folder.resource().source.path == "specs/link.csv"


def test_a_spec_file_that_links_out_of_the_project_is_not_read(
    folder: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "x.yaml"
    outside.write_text("a: [")
    (folder.root / "specs").mkdir()
    (folder.root / "specs/x.yaml").symlink_to(outside)
    assert folder.complaints() == [
        "specs/x.yaml: this link points outside the project folder. Copy the file into the project."
    ]


def test_a_missing_column_is_reported_once_where_the_spec_names_it(folder: Any) -> None:
    folder.write("specs/c.csv", "id,first_name\n" + "u,x\n" * 100)
    folder.spec(
        "UserAttributes",
        "users: {file: c.csv, id: id}\nattributes:\n  a: {column: firstname}\n  b: {column: zzz}",
    )
    assert [(str(problem.place), problem.message, problem.hint) for problem in folder.load().problems] == [
        ("specs/it.yaml:7:5", "specs/c.csv has no column firstname", "Did you mean first_name?"),
        (
            "specs/it.yaml:8:5",
            "specs/c.csv has no column zzz",
            "Names are case-sensitive; the first line names the columns.",
        ),
    ]


def test_values_that_stand_where_a_header_should_are_not_shown(folder: Any) -> None:
    folder.write("specs/c.csv", "ann@example.com,+491701234567\n")
    folder.spec("UserAttributes", "users: {file: c.csv, id: email}\nattributes: {a: {column: phone}}")
    assert folder.complaints()
    assert not any("ann@" in complaint or "+49" in complaint for complaint in folder.complaints())


def test_the_project_is_found_upwards(folder: Any) -> None:
    deep = folder.root / "a" / "b"
    deep.mkdir(parents=True)
    assert find_project(deep) == folder.root / "leanplum-sync.yaml"


def test_without_a_project_the_way_to_make_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        find_project(tmp_path)
    assert "leanplum-sync init" in caught.value.problems[0].hint


def test_a_misspelt_kind_does_not_hide_what_else_is_wrong(folder: Any) -> None:
    folder.write("specs/x.yaml", b"kind: PushToken\nmetadata: {name: Tokens}\n")
    found = folder.complaints()
    assert [each.split(":")[1] for each in found] == ["1", "1", "1", "2"]
    assert any("Did you mean PushTokens?" in each for each in found)
