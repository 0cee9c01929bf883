"""The text of a query: one statement, and its parameters."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.errors import CredentialError
from leanplum_sync.sources.connections.opening import opened
from leanplum_sync.sources.connections.statement import StatementError, parse


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SELECT 1", ()),
        ("SELECT :a::int, b FROM t WHERE c >= :since AND d = :a;\n-- the end; of :it\n", ("a", "since")),
        ("SELECT ':a', \":b\", $$:c; $$, $x$ $$ :d $x$, E'\\':e' FROM t /* :f /* ; */ :g */", ()),
        ("SELECT a[1:n], '12:30', x::text, y:=1 FROM t", ()),
        ("SELECT 'it''s :not' || :name", ("name",)),
    ],
)
def test_parameters_are_found_outside_of_strings_names_comments_and_casts(
    text: str, names: tuple[str, ...]
) -> None:
    assert parse(text).parameters == names


def test_a_statement_is_put_together_with_other_marks_and_without_its_semicolon() -> None:
    statement = parse("SELECT :a + :b + :a ;  -- done")
    assert statement.with_marks(lambda name: f"<{name}>") == "SELECT <a> + <b> + <a> "


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("", "the query is empty", (1, 1)),
        (" ; ", "the query is empty", (1, 1)),
        ("-- only a comment", "the query is empty", (1, 1)),
        ("SELECT 1;\n  DELETE FROM t", "there is a second statement", (2, 3)),
        ("SELECT 1;;", "there is a second statement", (1, 10)),
        ("SELECT 'a\n", "a quote is not closed", (1, 8)),
        ("SELECT\n 1 /* a /* b */", "a comment is not closed", (2, 4)),
    ],
)
def test_what_is_not_one_statement_is_refused_at_its_place(
    text: str, message: str, place: tuple[int, int]
) -> None:
    with pytest.raises(StatementError) as refused:
        parse(text)
    assert (refused.value.message, (refused.value.line, refused.value.column)) == (message, place)


@given(st.text(alphabet="a:;'\"$-/*\\\n e1"))
def test_any_text_is_a_statement_or_refused(text: str) -> None:
    try:
        statement = parse(text)
    except StatementError:
        return
    assert text.startswith(statement.with_marks(lambda name: f":{name}"))


@pytest.mark.parametrize(
    ("module", "url", "extra"),
    [
        ("adbc_driver_postgresql", "postgresql://a:b@c/d", "postgresql"),
        ("psycopg", "postgresql+psycopg://a:b@c/d", "postgres"),
        ("adbc_driver_snowflake", "snowflake://a:b@c/d/e", "snowflake"),
        ("google.cloud.bigquery", "bigquery://a/b", "bigquery"),
        ("adbc_driver_flightsql", "flightsql://a:b@c:1", "flightsql"),
        ("pyarrow", "sqlite:///a.db", "sqlite"),
        ("pyarrow", "duckdb:///a.duckdb", "duckdb"),
    ],
)
def test_a_missing_driver_is_told_with_the_command_that_installs_it(
    module: str, url: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    package, _, name = module.rpartition(".")
    if package in sys.modules:  # another test has imported it
        monkeypatch.delattr(sys.modules[package], name, raising=False)
    with pytest.raises(CredentialError) as refused, opened("warehouse", url, Path(), {}, Path()):
        pass
    assert "Connection warehouse needs a driver that is not installed" in str(refused.value)
    assert f"pip install 'leanplum-sync[{extra}]'" in str(refused.value)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg_async", "pg8000"])
def test_a_driver_that_is_missing_or_can_not_be_used_is_not_taken_for_another(driver: str) -> None:
    with pytest.raises(CredentialError) as refused:
        _open(f"postgresql+{driver}://a:secret@c/d")
    assert str(refused.value) == (
        "Connection warehouse: the driver in its URL is not installed, or can't be used. Use postgresql:// or"
        " postgresql+psycopg:// instead."
    )


def _open(url: str) -> None:
    with opened("warehouse", url, Path(), {}, Path()):
        raise AssertionError("it was opened")
