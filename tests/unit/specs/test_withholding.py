"""Problems of specs don't show values of sensitive attributes: not in the line, not in the sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from leanplum_sync.render.page import Page
from leanplum_sync.render.problems import problems_text
from leanplum_sync.specs import load
from leanplum_sync.specs.withholding import withheld_lines

SECRET = "ada-4711"
HEAD = "apiVersion: leanplum-sync/v1\nkind: UserAttributes\nmetadata: {name: it}\nspec:\n  users: {inline: ['1']}\n"


def project(folder: Path, sensitive: str, spec: str) -> Path:
    (folder / "specs").mkdir()
    (folder / "specs" / "it.yaml").write_text(spec)
    file = folder / "leanplum-sync.yaml"
    file.write_text(
        f"apiVersion: leanplum-sync/v1\nkind: Project\nmetadata: {{name: shop}}\nspec: {{sensitive: {sensitive}}}\n"
    )
    return file


WRONG = {
    "a form's key": "  attributes:\n    email: {value: ada-4711, wehn: absent}\n",
    "a value of the wrong type": "  attributes:\n    email: {increment: ada-4711, once: x}\n",
    "a choice": "  attributes:\n    email: {column: a, type: ada-4711}\n",
    "an unknown key": "  attributes:\n    email: {column: a, ada-4711: 1}\n",
    "a key of map": "  attributes:\n    email: {column: a, map: {ada-4711: {}}}\n",
    "a key twice": "  attributes:\n    email:\n      column: a\n      map:\n        ada-4711: x\n        ada-4711: y\n",
    "a nested value": "  attributes:\n    email:\n    - ada-4711\n    - [ada-4711]\n",
    "a neighbour on the line": "  attributes: {email: ada-4711, tier: {clumn: a}}\n",
    "no YAML": "  attributes:\n    email: ada-4711: 5\n",
    "no YAML below": "  attributes:\n    email:\n      value: ada-4711: 5\n",
    "a quote never closed": '  attributes:\n    email: "ada-4711\n',
    "a text over lines": '  attributes:\n    email: {value: "x\n     ada-4711", wehn: absent}\n',
    "a tab": "  attributes:\n    email:\n\t  value: ada-4711\n",
    "a profile field": "  profile: {email: {value: ada-4711}}\n",
}


@pytest.mark.parametrize("spec", WRONG.values(), ids=WRONG)
def test_a_wrong_spec_is_told_without_the_value(spec: str, tmp_path: Path) -> None:
    loaded = load(project(tmp_path, "[email]", HEAD + spec))
    assert loaded.problems
    assert SECRET not in problems_text(loaded.problems, len(loaded.problems), Page())
    assert SECRET not in repr(loaded.problems)


@pytest.mark.parametrize("spec", WRONG.values(), ids=WRONG)
def test_with_nothing_sensitive_the_line_is_shown(spec: str, tmp_path: Path) -> None:
    loaded = load(project(tmp_path, "[]", HEAD + spec))
    assert any(problem.excerpt for problem in loaded.problems)


TOKENS = HEAD.replace("UserAttributes", "PushTokens").replace("users:", "devices:")
BAD_TOKENS = {
    "no token": "  token: {ios: ada-4711}\n",
    "no token, below": "  token:\n    ios: ada-4711\n",
    "no platform": "  token: ada-4711\n",
    "a list": "  token: {ios: [ada-4711]}\n",
    "a form's key": "  token:\n    ios:\n      ada-4711: x\n",
    "a field": "  token: {ios: {column: t}}\n  attributes: {iosPushToken: ada-4711}\n",
    "a field of the wrong type": "  attributes:\n    gcmRegistrationId: {column: a, type: ada-4711}\n",
    "no YAML": "  token:\n    ios: ada-4711: 5\n",
}


@pytest.mark.parametrize("spec", BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_a_wrong_token_is_told_without_it_whatever_is_sensitive(spec: str, tmp_path: Path) -> None:
    problems = load(project(tmp_path, "[]", TOKENS + spec)).problems
    assert problems
    assert SECRET not in repr(problems)


def test_a_wrong_key_under_a_sensitive_name_is_told_by_what_is_meant_and_not_by_itself(
    tmp_path: Path,
) -> None:
    spec = HEAD + "  attributes: {email: {value: ada-4711, wehn: absent, ada-4711: x}}\n"
    told = [str(problem) for problem in load(project(tmp_path, "[email]", spec)).problems]
    assert any(each.endswith("this is not a valid key. Did you mean when?") for each in told)
    assert SECRET not in repr(told)


def test_an_unknown_platform_is_named(tmp_path: Path) -> None:
    problems = load(project(tmp_path, "[]", f"{TOKENS}  token: {{iso: {{column: a}}}}\n")).problems
    assert any("unknown key `iso`" in str(problem) for problem in problems)


def test_rows_of_an_inline_list_are_data(tmp_path: Path) -> None:
    spec = HEAD.replace("{inline: ['1']}", "{inline: [{id: '1', mail: ada-4711, mail: x}], id: id}")
    loaded = load(project(tmp_path, "[email]", spec + "  attributes: {email: {column: mail}}\n"))
    assert loaded.problems
    assert SECRET not in repr(loaded.problems)


def test_where_the_project_does_not_say_what_is_sensitive_no_line_is_shown(tmp_path: Path) -> None:
    file = project(tmp_path, "[email]", HEAD + WRONG["a form's key"])
    file.write_text("kind: [")
    loaded = load(file, [tmp_path / "specs"])
    assert len({problem.place.file for problem in loaded.problems}) == 2
    assert SECRET not in repr(loaded.problems)


def test_other_lines_are_shown(tmp_path: Path) -> None:
    spec = HEAD + "  attributes:\n    email: ada-4711\n    tier:\n      value: gold\n      wehn: absent\n"
    problems = load(project(tmp_path, "[email]", spec)).problems
    assert "      wehn: absent" in {problem.excerpt for problem in problems}


@pytest.mark.parametrize(
    ("text", "withheld"),
    [
        ("a:\n  email: 1\n  tier: 2\n", [2]),
        ("a:\n  email:\n    value: 1\n  tier: 2\n", [2, 3]),
        ("a:\n  email:\n  - 1\n  - 2\n  tier: 2\n", [2, 3, 4]),
        ("email: 1\n---\ntier: 2\n", [1]),
        ("a: {tier: 1,\n  email: 2,\n  age: 3}\n", [2]),
        ("token:\n  ios: 1\nattributes: {iosPushToken: 1}\ntoken_age: 1\n", [1, 2, 3]),
        ("my_email: 1\nemails: 2\n'email': 3\n", [3]),
        (
            "a: {env: NAME}\nb: {env: 'NAME', c: 1}\nc:\n  env: NAME\nd: {env: https://a.test/?key=1}\ne:\n  env:\n    https://a.test\n",
            [5, 7, 8],
        ),
    ],
)
def test_a_line_is_withheld_with_what_it_is_under(text: str, withheld: list[int]) -> None:
    lines = re.split("\n", text)
    found = [
        number for number, is_withheld in enumerate(withheld_lines(lines[:-1], {"email"}), 1) if is_withheld
    ]
    assert found == withheld
