"""Sends one batch, once. The applier decides what may be sent again, and when."""

from __future__ import annotations

from collections.abc import Sequence

from leanplum_sync.client.calls import Calls
from leanplum_sync.client.http import BeforeWrite
from leanplum_sync.client.postback_urls import url_in
from leanplum_sync.wire.action import Action
from leanplum_sync.wire.catalogue import ACTIONS, KeyClass, Target
from leanplum_sync.wire.envelope import BatchAnswer, Refused, read_batch_answer
from leanplum_sync.wire.postback import parts_of_url, revealed
from leanplum_sync.wire.quiet import without


class Writer:
    """Writes with one key, which it requires when it is created, so that a run without it fails before it starts."""

    def __init__(self, calls: Calls, key_class: KeyClass = KeyClass.PRODUCTION) -> None:
        calls.keys.key(key_class)
        self._calls, self._key_class = calls, key_class

    def encode(self, actions: Sequence[Action], *, request_ids: Sequence[str], batch_id: str) -> bytes:
        """Return the body of one ``multi``. It contains the key and the time, so it differs from call to call."""
        return self._calls.batch_body(self._key_class, actions, request_ids, batch_id)

    def send(
        self,
        actions: Sequence[Action],
        *,
        request_ids: Sequence[str],
        batch_id: str,
        before_write: BeforeWrite | None = None,
        body: bytes | None = None,
    ) -> BatchAnswer:
        """
        Send *actions* in one ``multi``, once, and return what the response proves. An action about a thing of the app is sent alone.

        *body* is the result of ``encode`` for the same actions, if there is one. *before_write* is called when the connection is
        open and nothing is written; if it raises, nothing is sent and its error is passed on.

        Raises:
            NotSentError: nothing was sent.
            NoAnswerError: every action is in doubt.
            CredentialError: the variable that holds the URL of a postback is not set; nothing was sent.
            MigrationChangedError: the app's migration state has changed; nothing was sent.
        """
        name, secret = "multi", ""
        if is_sent_alone(actions):  # see ``Batch``
            [action] = actions
            sent, secret = revealed(action, url_in)
            name, body = action.name, self._calls.body(self._key_class, sent.arguments)
        elif body is None:
            body = self.encode(actions, request_ids=request_ids, batch_id=batch_id)
        with self._calls.metered(actions) as request:
            response = self._calls.post(name, body, before_write)
            answer = read_batch_answer(response.status, response.body, actions, request_ids)
            request.is_refused = isinstance(answer, Refused)
        return without(answer, frozenset(parts_of_url(secret))) if secret else answer


def is_sent_alone(actions: Sequence[Action]) -> bool:
    return len(actions) == 1 and ACTIONS[actions[0].name].target is Target.APP
