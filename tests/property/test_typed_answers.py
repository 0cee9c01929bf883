"""Law of typed answers: whatever the API puts into an element, a typed answer comes out, or the documented error."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.client import api
from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.catalogue import ACTIONS

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)
INNER = ["id", "name", "count", "value", "variables", "variants", "deviceId", "percent", "active", "message"]
ENTRIES = st.dictionaries(st.sampled_from(INNER), JSON, max_size=4)
VALUES = (
    JSON | ENTRIES | st.lists(ENTRIES, max_size=2) | st.dictionaries(st.text(max_size=4), ENTRIES, max_size=2)
)
FIELDS = sorted({"warning", *(name for spec in ACTIONS.values() for name in spec.answer)})
CALLS: list[api.Call[Any]] = [
    api.start("u1"),
    api.track("e", "u1"),
    api.set_user_attributes("u1"),
    api.register_device("d1", "a@example.com"),
    api.export_user("u1"),
    api.send_message(5, "u1"),
    api.get_message(5),
    api.get_messages(),
    api.get_unsubscribe_categories(),
    api.add_android_notification_channel("a", "b"),
    api.get_android_notification_channels(),
    api.delete_android_notification_channel("a"),
    api.get_ab_test(5),
    api.get_ab_tests(),
    api.get_variant(5),
    api.get_vars("u1"),
    api.delete_vars(["a"]),
    api.add_postback("https://a.example"),
    api.list_postbacks(),
    api.export_users(),
    api.get_export_results("j"),
    api.get_multi_results("j"),
    api.get_newsfeed_messages("u1"),
    api.get_migrate_state(),
]


@pytest.mark.claim("typed-reading")
@given(st.sampled_from(CALLS), st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6))
def test_any_element_is_a_typed_answer_or_an_unexpected_response(
    call: api.Call[Any], element: dict[str, Any]
) -> None:
    with contextlib.suppress(UnexpectedResponseError):
        call.read({"success": True, **element})
