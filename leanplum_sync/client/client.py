"""Sends the calls of ``leanplum_sync.client.api``: alone or in batches, and waits for jobs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol, Self, TypeVar
from urllib.parse import urljoin

from leanplum_sync.client.api.batch import Result, key_class_of
from leanplum_sync.client.api.call import Call, Done, read_done
from leanplum_sync.client.api.files import encode_upload
from leanplum_sync.client.api.jobs import JobState
from leanplum_sync.client.backoff import RETRIES, Randomness
from leanplum_sync.client.calls import Calls, rejected
from leanplum_sync.client.credentials import EMULATOR_KEYS, Connection, Keys
from leanplum_sync.client.download import check_address, download_once, name_of
from leanplum_sync.client.http import HttpTransport
from leanplum_sync.client.meter import OnSpent, unmetered
from leanplum_sync.clock import Clock, SystemClock
from leanplum_sync.errors import CredentialError, NoAnswerError, UnexpectedResponseError
from leanplum_sync.progress import Progress, SilentProgress
from leanplum_sync.wire.action import Action, DeliveryClass, Json
from leanplum_sync.wire.catalogue import ACTIONS, KeyClass, delivery_class
from leanplum_sync.wire.envelope import (
    Answered,
    Refused,
    Unreadable,
    read_batch_answer,
    read_outcome,
)
from leanplum_sync.wire.outcome import Outcome

POLL_SECONDS: Final = 30.0  # Source: Leanplum docs ask for 30 to 60
WAIT_SECONDS: Final = 6 * 3600.0

T = TypeVar("T")


class _JobResult(Protocol):
    @property
    def state(self) -> JobState: ...


J = TypeVar("J", bound=_JobResult)


class Client:
    """
    One app's API.

    A call that returns was accepted. One that the API skips with a warning raises an error, as if it had
    been refused. Calls are retried after 429 and when nothing was sent; after 5xx or a lost response only if
    they are idempotent. Never have one user in two calls at the same time.
    """

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        transport: HttpTransport,
        clock: Clock | None = None,
        *,
        randomness: Randomness | None = None,
        retries: int = RETRIES,
        on_spent: OnSpent = unmetered,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._transport = transport
        self._clock = clock or SystemClock()
        self._calls = Calls(
            connection,
            keys,
            transport,
            self._clock,
            randomness=randomness,
            retries=retries,
            on_spent=on_spent,
        )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Take app, keys and address from ``LEANPLUM_...`` variables; use it in a ``with`` block."""
        connection = Connection.from_environment(environ)
        return cls(connection, Keys(environ), HttpTransport(is_local=connection.is_local))

    @classmethod
    def to_emulator(cls, url: str) -> Self:
        return cls(Connection.to_emulator(url), Keys.of(EMULATOR_KEYS), HttpTransport(is_local=True))

    def call(self, call: Call[T]) -> T:
        """
        Raises:
            RejectedError: the API refused or skipped it; ``reason`` has its words.
            RateLimitedError, NotSentError: it was not carried out, after four attempts.
            NoAnswerError, UnexpectedResponseError: it may have been carried out.
            CredentialError: the key is missing or was refused.
        """
        try:
            element = self._element(call, call.key_class)
        except CredentialError:
            if call.fallback is None or not self._keys.has(call.fallback):
                raise
            element = self._element(call, call.fallback)
        outcome = read_outcome(element, call.action)
        if outcome.outcome is Outcome.SKIPPED and not call.answers_when_skipped:
            raise rejected(HTTPStatus.OK, outcome.message)
        return call.read(element)

    def batch(self, calls: Sequence[Call[T]], *, key_class: KeyClass | None = None) -> tuple[Result[T], ...]:
        """
        Send *calls* in one ``multi`` and return what became of each, in order.

        Each distinct user is one billable lookup, however many calls are about them. With the development key
        (*key_class*), production actions count as development data.

        Raises:
            InvalidCallError: the API would refuse the batch: mixed keys, over 50 users or 500 actions, nesting.
            CredentialError, RejectedError, RateLimitedError, NotSentError: nothing was carried out.
            NoAnswerError: any of it may have been.
        """
        key_class = key_class_of(calls, key_class)
        # The same ids on every attempt: a server that remembers them carries nothing out twice.
        batch_id, request_ids = self._clock.new_id(), [self._clock.new_id() for _ in calls]
        repeatable = all(delivery_class(call.action) is DeliveryClass.REPEATABLE for call in calls)
        answered = self._calls.retrying(
            lambda: self._send(calls, key_class, batch_id, request_ids), repeatable=repeatable
        )
        return tuple(map(_result, calls, answered.outcomes, answered.elements))

    def wait(
        self,
        results: Call[J],
        *,
        poll_seconds: float = POLL_SECONDS,
        timeout_seconds: float = WAIT_SECONDS,
        progress: Progress | None = None,
    ) -> J:
        """
        Poll *results* (``get_export_results``, ``get_multi_results``) until the job is finished.

        Raises:
            RejectedError: the job failed.
            NoAnswerError: it takes longer than *timeout_seconds*. The job continues; wait for it again later.
        """
        deadline = self._clock.monotonic() + timeout_seconds
        with (progress or SilentProgress()).track("Waiting for the job", None, "look") as task:
            while True:
                result = self.call(results)
                task.advance()
                if result.state is JobState.FAILED:
                    raise rejected(HTTPStatus.OK, "the job failed")
                if result.state is JobState.FINISHED:
                    return result
                if self._clock.monotonic() + poll_seconds > deadline:
                    raise NoAnswerError(
                        f"The job is still {result.state.value.lower()}: wait for it again later."
                    )
                self._clock.sleep(poll_seconds)

    def download(
        self, urls: Iterable[str], folder: Path, *, progress: Progress | None = None
    ) -> tuple[Path, ...]:
        """
        Download the files of a finished job into *folder*, under the names in their addresses.

        Existing files are kept, and unfinished ones (``.part``) resumed. Sizes are checked.
        """
        addresses = list(urls)
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / name_of(url, number) for number, url in enumerate(addresses)]
        with (progress or SilentProgress()).track("Downloading", len(addresses), "file") as task:
            for url, path in zip(addresses, paths, strict=True):
                if not path.exists():
                    self._fetch(url, path)
                task.advance()
        return tuple(paths)

    def upload_file(self, files: Mapping[str, bytes]) -> Done:
        """
        Upload *files* to the app by name, replacing those of the same name: at most 16 files and 50 MB.

        Raises:
            InvalidCallError: there are more files, or none.
        """
        key_class = ACTIONS["uploadFile"].key_class
        body, content_type = encode_upload(self._calls.credentials(key_class), files)
        headers = {"Content-Type": content_type}

        def attempt() -> Mapping[str, Json]:
            response = self._calls.post("uploadFile", body, headers=headers)
            return self._calls.only_element(response, key_class)

        return read_done(self._calls.retrying(attempt))

    def download_file(self, filename: str, into: Path) -> Path:
        """
        Download the app's file *filename* to the path *into*.

        Raises:
            RejectedError: there is none (status 404).
        """
        key_class = ACTIONS["downloadFile"].key_class
        body = self._calls.body(key_class, {"filename": filename})

        def attempt() -> str:
            response = self._calls.post("downloadFile", body)
            if response.location and HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
                return response.location
            self._calls.only_element(response, key_class)
            raise UnexpectedResponseError("Leanplum's response to downloadFile contains no URL for the file.")

        location = urljoin(self._connection.url, self._calls.retrying(attempt))
        into.parent.mkdir(parents=True, exist_ok=True)
        self._fetch(location, into)
        return into

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _element(self, call: Call[Any], key_class: KeyClass) -> Mapping[str, Json]:
        return self._calls.retrying(
            lambda: self._calls.once(call.action, key_class),
            repeatable=delivery_class(call.action) is DeliveryClass.REPEATABLE,
        )

    def _send(
        self, calls: Sequence[Call[Any]], key_class: KeyClass, batch_id: str, request_ids: Sequence[str]
    ) -> Answered:
        actions: list[Action] = [call.action for call in calls]
        with self._calls.metered(actions) as request:
            response = self._calls.post(
                "multi", self._calls.batch_body(key_class, actions, request_ids, batch_id)
            )
            answer = read_batch_answer(response.status, response.body, actions, request_ids)
            request.is_refused = isinstance(answer, Refused)
        match answer:
            case Answered() as answered:
                return answered
            case Refused() as refused:
                raise self._calls.error_of(refused, key_class)
            case Unreadable(reason):
                raise NoAnswerError(reason)

    def _fetch(self, url: str, into: Path) -> None:
        check_address(url, may_be_plain=self._connection.is_local)
        self._calls.retrying(lambda: download_once(self._transport, url, into))


def _result(call: Call[T], outcome: Any, element: Mapping[str, Json]) -> Result[T]:
    answers = outcome.outcome is Outcome.DONE or (
        outcome.outcome is Outcome.SKIPPED and call.answers_when_skipped
    )
    return Result(outcome, call.read(element) if answers else None, element)
