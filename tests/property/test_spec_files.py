"""Laws of spec files: any text is documents or faults, any document is resources or problems, each with a place."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from searching import examples

from leanplum_sync.kinds.rows.forms import FORM_KEYS
from leanplum_sync.specs import Loaded, load
from leanplum_sync.specs.yaml_file import Document, read_documents

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "absent", "x", "integer", "list", "column", "id", "d", "a.csv"])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
KEYS = st.sampled_from(
    [*FORM_KEYS, "id", "inline", "file", "format", "user", "a", "A", "ios", "name", "country", "created"]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    # YAML breaks lines at three characters that JSON keeps, and forbids a few that control terminals.
    | st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], max_codepoint=0xFFFD), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
SECTIONS = [
    "users",
    "devices",
    "recipients",
    "attributes",
    "profile",
    "token",
    "message",
    "values",
    "delivery",
    "force",
]
SPECS = st.dictionaries(st.sampled_from([*SECTIONS, "createUsers", "extra"]), ANYTHING, max_size=6)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "apiVersion": st.just("leanplum-sync/v1") | ANYTHING,
        "kind": st.sampled_from(["UserAttributes", "PushTokens", "MessageSend", "Project"]) | ANYTHING,
        "metadata": st.just({"name": "it"}) | ANYTHING,
        "spec": SPECS | ANYTHING,
    },
)
LIKELY = st.fixed_dictionaries(
    {
        "apiVersion": st.just("leanplum-sync/v1"),
        "kind": st.just("UserAttributes"),
        "metadata": st.just({"name": "it"}),
        "spec": st.fixed_dictionaries(
            {
                "users": st.just({"inline": ["u1", {"id": "u2", "x": "1"}]}),
                "attributes": st.dictionaries(KEYS, ANYTHING, max_size=5),
            }
        ),
    }
)
PROJECT = b"apiVersion: leanplum-sync/v1\nkind: Project\nmetadata: {name: shop}\nspec: {}\n"


def loaded(content: bytes, project: bytes = PROJECT) -> Loaded:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "specs").mkdir()
        (Path(folder) / "specs/x.yaml").write_bytes(content)
        (Path(folder) / "leanplum-sync.yaml").write_bytes(project)
        return load(Path(folder) / "leanplum-sync.yaml")


def places_are_in(found: Loaded, content: bytes) -> bool:
    lines = content.decode(errors="replace").split("\n")
    return all(
        problem.place.line is None
        or (1 <= problem.place.line <= len(lines) + 1 and (problem.place.column or 1) >= 1)
        for problem in found.problems
    )


@settings(max_examples=examples(30))
@given(st.text(max_size=120) | st.text(" \t\n-:[]{}&*!#'\"|>%@ab1.~<?,", max_size=60))
def test_any_text_is_documents_or_faults(text: str) -> None:
    documents, faults = read_documents(text)
    assert all(isinstance(document, Document) for document in documents)
    lines = (
        text.count("\n")
        + text.count("\r")
        + text.count("\x85")
        + text.count("\u2028")
        + text.count("\u2029")
        + 2
    )
    assert all(1 <= fault.spot.line <= lines and fault.spot.column >= 1 for fault in faults)


@settings(max_examples=examples(30))
@given(JSON)
def test_json_is_read_as_the_value_it_is(value: Any) -> None:
    text = orjson.dumps(value).decode()
    documents, faults = read_documents(text)
    expected = orjson.loads(text)
    assert faults == []
    assert [document.value for document in documents] == [expected]


@settings(max_examples=examples(30))
@given(
    st.text(st.characters(min_codepoint=0x10000) | st.sampled_from("a\ud83d\ude00"), min_size=1, max_size=6)
)
def test_escaped_text_is_read_whole_or_refused(text: str) -> None:
    documents, faults = read_documents(json.dumps({text: text}))
    ((key, value),) = documents[0].value.items()
    assert key == value
    assert key.encode()
    joined = text.encode("utf-16-le", "surrogatepass")
    assert (key.encode("utf-16-le") == joined) != bool(faults)
    assert len(faults) in (0, 2)


@settings(max_examples=examples(30))
@given(st.binary(max_size=100))
def test_any_bytes_can_be_loaded(content: bytes) -> None:
    found = loaded(content)
    assert found.problems
    assert found.resources == ()


@settings(max_examples=examples(30))
@given(DOCUMENTS | LIKELY)
def test_any_document_is_a_resource_or_problems_with_places(document: Any) -> None:
    content = json.dumps(document).encode()
    found = loaded(content)
    assert found.problems or len(found.resources) == 1
    assert places_are_in(found, content)
    assert all(problem.message and not problem.message.endswith(".") for problem in found.problems)


@settings(max_examples=examples(30))
@given(DOCUMENTS)
def test_any_project_file_can_be_loaded(document: Any) -> None:
    content = json.dumps({**document, "kind": "Project"}).encode()
    found = loaded(b"", content)
    assert places_are_in(found, content)
    assert found.project is not None or found.problems


@settings(max_examples=examples(30))
@given(LIKELY)
def test_loading_twice_gives_the_same(document: Any) -> None:
    content = json.dumps(document).encode()
    first, second = loaded(content), loaded(content)
    assert (first.problems, first.inputs) == (second.problems, second.inputs)
    assert [each.columns_needed() for each in first.resources] == [
        each.columns_needed() for each in second.resources
    ]
