"""Random specs of user attributes, rows for them, and answers about users: texts and values that look like others."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from leanplum_sync.wire.convert import ValueType

COLUMNS = ("one", "two")
NAMES = ("a", "b", "C", "two words")

# Texts that look like other things, and JSON values that look like other values.
texts = st.sampled_from(
    [
        "",
        "x",
        "gold",
        "true",
        "True",
        "FALSE",
        "yes",
        "0",
        "1",
        "12",
        "12.0",
        "+12",
        "012",
        " 12",
        "1e3",
        "0.1",
        "9007199254740993",
        "123456789012345.123456789",
        "x ",
        "[012]",
        "2026-01-31",
        "2026-02-31",
        "2026-01-31T08:15:00Z",
        "[a, b]",
        "[x]",
        "a,b",
        'say "hi"',
        "back\\slash",
        "é",
        "(detect)",
        "DE",
    ]
)
scalars = st.sampled_from(
    [
        None,
        True,
        False,
        "true",
        "True",
        0,
        1,
        12,
        12.0,
        12.5,
        -3,
        0.1,
        1000.0,
        2**53,
        "12",
        "12.0",
        "x",
        "gold",
        "",
        "2026-01-31",
        "a\\b",
        'say "hi"',
        "back\\slash",
        "é",
        "DE",
        "[x]",
        "FALSE",
        "running",
        "not running, golf",
    ]
)
observed_values = st.one_of(
    scalars,
    st.lists(
        st.sampled_from(["a", "b", "x", "running", "golf", 'a,"running', "True", 12, "[x]"]), max_size=3
    ),
    st.just({"running": ["golf"]}),
    st.just([["running"]]),
)
items = st.lists(
    st.sampled_from(["running", "golf", "x", "true", "12", "a b"]), min_size=1, max_size=2, unique=True
)
types = st.sampled_from([each.value for each in ValueType])
columns = st.sampled_from(COLUMNS)
keys = st.sampled_from(["x", "12", "True", "a,b", "it's"])
literals = st.sampled_from(
    [True, False, "True", 12, 12.5, "x", "gold", "12", "back\\slash", 'say "hi"', ["a", "b"], ["x", 12]]
)


def form(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(fields)


def some(**fields: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    return fields


forms = st.one_of(
    literals,
    st.fixed_dictionaries(some(column=columns), optional=some(type=types, when=st.just("absent"))),
    st.fixed_dictionaries(
        some(column=columns, map=st.dictionaries(keys, literals, min_size=1, max_size=2)),
        optional=some(otherwise=literals),
    ),
    form(value=literals, when=st.just("absent")),
    st.fixed_dictionaries(some(**{"from": st.sampled_from([*NAMES, "old"])}), optional=some(type=types)),
    form(state=st.just("absent")),
    form(add=items),
    form(remove=items),
    st.just({"add": ["running"], "remove": ["golf"]}),
    form(add=st.fixed_dictionaries(some(column=columns))),
    form(increment=st.one_of(st.just(1), st.fixed_dictionaries(some(column=columns))), once=st.just("may")),
)
profiles = st.fixed_dictionaries(
    {},
    optional=some(
        country=st.one_of(st.just("DE"), st.fixed_dictionaries(some(column=columns))),
        city=st.fixed_dictionaries(some(column=columns), optional=some(when=st.just("absent"))),
        created=st.fixed_dictionaries(some(column=columns), optional=some(type=st.just("date"))),
        totalSessions=st.one_of(st.just(12), st.fixed_dictionaries(some(column=columns))),
    ),
)
elements = st.fixed_dictionaries(
    {"success": st.just(True)},
    optional=some(
        userAttributes=st.dictionaries(st.sampled_from([*NAMES, "A", "old"]), observed_values),
        country=st.sampled_from(["DE", "FR", None]),
        city=scalars,
        created=st.sampled_from([1769817600, 1769817600.0, 1.7698176e9, 0, None]),
        totalSessions=st.sampled_from([12, 12.0, "12", None]),
        observedAt=st.floats(0, 2e9),
    ),
)
missing = st.just({"success": True, "warning": {"message": "User not found; request skipped."}})
users = st.sampled_from(["u1", "u2", "00004", "4", "é"])
