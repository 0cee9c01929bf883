"""Laws of answers: whatever the bytes, a verdict comes out."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.action import Action, DeliveryClass
from leanplum_sync.wire.catalogue import delivery_class
from leanplum_sync.wire.envelope import Answered, Refused, Unreadable, read_batch_answer, read_elements
from leanplum_sync.wire.outcome import Outcome

STATUSES = st.integers(100, 599)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
MESSAGES = st.sampled_from(
    ["Invalid access key", "User not found; request skipped.", "Past event detected (9 days ago)", "new"]
)
PARTS = JSON | st.fixed_dictionaries({"message": MESSAGES}, optional={"ignored": JSON})
ELEMENTS = st.fixed_dictionaries(
    {},
    optional={
        "success": st.booleans() | JSON,
        "error": PARTS,
        "warning": PARTS,
        "messagesSent": JSON,
        "ignored": JSON,
        "reqId": JSON | st.sampled_from(["id0", "id1"]),
    },
)
BODIES = (
    st.binary(max_size=200)
    | JSON.map(orjson.dumps)
    | st.lists(ELEMENTS | JSON, max_size=4).map(lambda elements: orjson.dumps({"response": elements}))
)


@given(STATUSES, BODIES)
def test_any_bytes_are_elements_or_an_unexpected_response(status: int, body: bytes) -> None:
    try:
        elements = read_elements(status, body)
    except UnexpectedResponseError:
        return
    assert all(isinstance(element["success"], bool) for element in elements)


@given(
    STATUSES, BODIES, st.lists(st.sampled_from(["sendMessage", "setUserAttributes"]), min_size=1, max_size=4)
)
def test_any_bytes_give_a_verdict_on_each_action(status: int, body: bytes, names: list[str]) -> None:
    actions = [Action(name, {"userId": f"u{number}"}) for number, name in enumerate(names)]
    match read_batch_answer(status, body, actions, [f"id{number}" for number in range(len(names))]):
        case Answered(outcomes):
            assert len(outcomes) == len(actions)
            for action, outcome in zip(actions, outcomes, strict=True):
                # An element may leave a doubt, but only about what must not be done twice.
                repeatable = delivery_class(action) is DeliveryClass.REPEATABLE
                doubt = set() if repeatable else {Outcome.IN_DOUBT}
                assert outcome.outcome in {Outcome.DONE, Outcome.SKIPPED, Outcome.REJECTED} | doubt
        case Refused(message=message):
            assert isinstance(message, str)
        case Unreadable(reason):
            assert reason


@given(st.lists(st.booleans(), min_size=2, max_size=6), st.randoms())
def test_the_order_of_the_answer_does_not_matter_when_ids_are_echoed(
    successes: list[bool], randomness: object
) -> None:
    elements = [{"success": success, "reqId": f"id{number}"} for number, success in enumerate(successes)]
    actions = [Action("track", {"userId": "u"})] * len(successes)
    ids = [f"id{number}" for number in range(len(successes))]
    randomness.shuffle(elements)  # type: ignore[attr-defined]  # st.randoms() is typed no closer
    read = read_batch_answer(200, orjson.dumps({"response": elements}), actions, ids)
    assert isinstance(read, Answered)
    assert [outcome.outcome is Outcome.DONE for outcome in read.outcomes] == successes
