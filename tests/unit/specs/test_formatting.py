"""The one layout of spec files."""

from __future__ import annotations

from pathlib import Path

import pytest

from leanplum_sync.specs.formatting import formatted
from leanplum_sync.specs.layout import UnusualYamlError

ROOT = Path(__file__).parents[3]
TOP = "apiVersion: leanplum-sync/v1\nkind: UserAttributes\nmetadata: {name: it}\n"

UNTIDY = """\


# What this file is for.

metadata:   # about it
    # whom to ask
    owner: me   # a team


    name:   x
    # description: later
apiVersion:  leanplum-sync/v1
spec:
    attributes:
        b: {  type: integer,column: 'x' }   # converted
        a:

           # why
           hello   # a greeting
        c:   # a list
        # the first
        -   1   # one
        -
        - # a mapping
          k: v
        # no more
        d: |  # verbatim
            text
              more

        # behind it
        e:  [a,
              b  , # in a list
              c]    # behind the list
    users:
       inline:
       - {x: 1, id: "00123"}
       - y: 1
         # within
         id: u2
    # at the end of spec
# at the end, before the kind
kind: UserAttributes
# the end
"""
TIDY = """\
# What this file is for.

apiVersion: leanplum-sync/v1
# at the end, before the kind
kind: UserAttributes
metadata:   # about it
  name: x
  # whom to ask
  owner: me   # a team
  # description: later
spec:
  users:
    inline:
      - {x: 1, id: "00123"}
      - y: 1
        # within
        id: u2
  attributes:
    b: {column: 'x', type: integer}     # converted
    # why
    a: hello   # a greeting
    c:   # a list
      # the first
      - 1     # one
      -
      # a mapping
      - k: v
    # no more
    d: |  # verbatim
        text
          more

    # behind it
    e: [a,
          b  , # in a list
          c]    # behind the list
  # at the end of spec
# the end
"""


def test_keys_indentation_and_blanks_become_those_of_the_language_and_comments_stay_where_they_belong() -> (
    None
):
    assert formatted(UNTIDY) == TIDY
    assert formatted(TIDY) == TIDY


@pytest.mark.parametrize(
    ("untidy", "tidy"),
    [
        ("spec: {attributes: {a: {when: absent,value: web}}, users: {id: i,file: f}}", "spec: {users: {file: f, id: i}, attributes: {a: {value: web, when: absent}}}"),
        ("spec:\n  attributes:\n    x: {otherwise: c, map: {b: 1,a: 2}, column: y}", "spec:\n  attributes:\n    x: {column: y, map: {b: 1, a: 2}, otherwise: c}"),
        ("spec: {attributes: {z: 1, a: 2}}", "spec: {attributes: {z: 1, a: 2}}"),
        ("spec: {attributes: &all {z: 1 , a: *all2}}", None),
        ("spec:\n    attributes: &all\n        z: 1", "spec:\n  attributes: &all\n    z: 1"),
        ("spec:\n  attributes:\n    z: 'it''s'\n    a: 0x1F", "spec:\n  attributes:\n    z: 'it''s'\n    a: 0x1F"),
        ("unknown: 1\nspec: {}", "spec: {}\nunknown: 1"),
        ("spec:\n  users:\n    inline:\n    - - a\n      - b", "spec:\n  users:\n    inline:\n      - - a\n        - b"),
        ("? spec\n: {}", "spec: {}"),
    ],
)  # fmt: skip
def test_a_few_forms(untidy: str, tidy: str | None) -> None:
    if tidy is None:
        with pytest.raises(UnusualYamlError):
            formatted(TOP + untidy)
    else:
        assert formatted(TOP + untidy) == f"{TOP}{tidy}\n"


def test_names_that_users_chose_keep_their_order() -> None:
    spec = "spec:\n  attributes:\n    zebra: 1\n    type: 2\n    column: 3\n    apple: 4\n"
    assert formatted(TOP + spec) == TOP + spec


def test_documents_stay_apart_and_the_project_file_has_an_order_of_its_own() -> None:
    text = "---  # one\nkind: Project\nspec: {budget: {sends: 1}, specs: [specs]}\n\n# of one\n\n\n---\n\nspec: {}\nkind: PushTokens\n"
    tidy = "---  # one\nkind: Project\nspec: {specs: [specs], budget: {sends: 1}}\n\n# of one\n---\nkind: PushTokens\nspec: {}\n"
    assert formatted(text) == tidy


@pytest.mark.parametrize(
    "text", ["%YAML 1.2\n---\na: 1\n", "a: 1\n...\n", "a: 1 # one\u2028two\n", "a: [\n", "a: |+\n  b\n\n"]
)
def test_what_has_no_such_layout_is_refused(text: str) -> None:
    with pytest.raises(UnusualYamlError):
        formatted(text)


@pytest.mark.parametrize(
    "path",
    [
        path.relative_to(ROOT).as_posix()
        for folder in ("specs", "examples", "leanplum_sync/cli/templates")
        for path in sorted((ROOT / folder).rglob("*.yaml"))
        if path.read_text().startswith(("apiVersion:", "#"))
        and "apiVersion: leanplum-sync/" in path.read_text()
    ],
)
def test_the_specs_that_we_show_are_tidy(path: str) -> None:
    text = (ROOT / path).read_text()
    assert formatted(text) == text
