"""Reads live state. It can't write: planning uses this module and nothing else of the client that sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.client.calls import Calls, rejected
from leanplum_sync.client.postback_urls import check_urls, seen_at
from leanplum_sync.errors import CredentialError, NoAnswerError, RejectedError
from leanplum_sync.wire.ab_test import AbTest, read_ab_tests
from leanplum_sync.wire.action import Action, Json
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.channel import seen_channels
from leanplum_sync.wire.envelope import BatchAnswer, RefusalKind, Refused, read_batch_answer, sentence
from leanplum_sync.wire.known_words import known_words
from leanplum_sync.wire.message import Message, read_message, read_messages
from leanplum_sync.wire.migration import MIGRATION_KEYS, Migration, read_migration
from leanplum_sync.wire.profile import THINGS, read_profile
from leanplum_sync.wire.subscription import read_categories
from leanplum_sync.wire.user_batch import UserBatch, read_user_batch, unread
from leanplum_sync.wire.variable import read_variables, seen_in

# Drafts and finished messages too, so that an error can say that a message is a draft, not that it doesn't exist.
_EVERY_MESSAGE: Final = {"includeDrafts": True, "recent": False}


_NAME_A_USER: Final = (
    "To read variables as a user who exists, name one under `variablesUser` in the project file."
)


class Reader:
    """
    Needs the data export key for users and postbacks, the content read-only key for messages and A/B tests, the production key for notification channels,
    and the production or the development key for variables, each when first used. *variables_user* is the user as whom variables are read, None for nobody.
    """

    def __init__(self, calls: Calls, *, variables_user: str | None = None) -> None:
        self._calls = calls
        self._variables_user = variables_user

    def export_user(
        self, subject: Subject, *, on_rate_limit: Callable[[], None] | None = None
    ) -> Mapping[str, Json]:
        """
        Return the exportUser element of *subject*; that of a missing user holds a warning and no profile.

        Costs one billable lookup per call that reaches the API. Retries after 429, 5xx and lost responses; *on_rate_limit* is
        called for each 429, so that the caller can slow down. Errors show only words of the API that quote no value of the user.

        Raises:
            CredentialError, RejectedError, RateLimitedError, NotSentError, NoAnswerError, UnexpectedResponseError
        """
        if subject.kind.is_thing:
            [of_thing] = self._things([subject], on_rate_limit).elements
            assert of_thing is not None  # noqa: S101 - each thing has one
            return of_thing
        element = self._ask(_export(subject), on_rate_limit, shown=known_words)
        read_profile(element)  # raises for a response that is not a user, before more lookups are paid for
        return element

    def export_users(
        self, subjects: Sequence[Subject], *, on_rate_limit: Callable[[], None] | None = None
    ) -> UserBatch:
        """
        Read up to 50 *subjects* with one ``multi`` of exportUser actions, with the data export key.

        Retries after 429, as ``export_user`` does, but not after a lost response: reading each user alone then costs less than
        losing another batch.

        *subjects* may also be things of the app, all of one kind: these are read together with one call, and errors are those of
        ``export_user``.

        Raises:
            CredentialError, RateLimitedError, NotSentError
        """
        if all(subject.kind.is_thing for subject in subjects):
            return self._things(subjects, on_rate_limit)
        actions = [_export(subject) for subject in subjects]
        try:
            answer = self._calls.retrying(
                lambda: self._ask_together(actions), repeatable=False, on_rate_limit=on_rate_limit
            )
        except NoAnswerError:
            return unread(subjects, works=True, was_billed=True)
        return read_user_batch(answer, subjects)

    def _things(self, subjects: Sequence[Subject], on_rate_limit: Callable[[], None] | None) -> UserBatch:
        seen: Sequence[Mapping[str, Json]] = ()
        was_billed = False
        match subjects[0].kind:
            case SubjectKind.VARIABLE:
                tree = read_variables(self._variables(on_rate_limit))
                seen = [seen_in(tree, subject.id) for subject in subjects]
                was_billed = self._variables_user is not None
            case SubjectKind.CHANNEL:
                channels = seen_channels(
                    self._ask(Action("getAndroidNotificationChannels", {}), on_rate_limit)
                )
                seen = [_named(subject.id, channels) for subject in subjects]
            case SubjectKind.POSTBACK:
                check_urls(subjects)
                seen = seen_at(self._ask(Action("listPostbacks", {}), on_rate_limit), subjects)
            case SubjectKind.USER | SubjectKind.DEVICE:
                raise AssertionError("users and devices are no things of the app")
        elements = tuple({"success": True, THINGS: things} for things in seen)
        return UserBatch(elements, works=True, was_billed=was_billed)

    def _variables(self, on_rate_limit: Callable[[], None] | None) -> Mapping[str, Json]:
        try:
            element = self._ask(self._get_vars(), on_rate_limit, self._key_for_variables())
        except RejectedError as error:
            raise rejected(error.status, f"{error.reason.rstrip('.')}. {_NAME_A_USER}") from error
        if "vars" not in element and element.get("warning") is not None:  # the user doesn't exist
            raise rejected(HTTPStatus.OK, f"{sentence(element).rstrip('.')}. {_NAME_A_USER}")
        return element

    def _get_vars(self) -> Action:
        """
        Source: older docs: without a user, it shows what a new user would see. The OpenAPI calls the userId required, so a project can
        name a user whom nothing in the dashboard targets.
        """
        return Action("getVars", {} if self._variables_user is None else {"userId": self._variables_user})

    def _key_for_variables(self) -> KeyClass:
        """Return the class of a key that there is. Source: OpenAPI: production; SDKs call getVars with the development key, too."""
        keys = self._calls.keys
        only_development = keys.has(KeyClass.DEVELOPMENT) and not keys.has(KeyClass.PRODUCTION)
        return KeyClass.DEVELOPMENT if only_development else KeyClass.PRODUCTION

    def ab_tests(self) -> tuple[AbTest, ...]:
        """Every A/B test of the app but drafts, with the variables of its variants. Needs the content read-only key."""
        return read_ab_tests(self._ask(Action("getAbTests", {"includeDrafts": False, "recent": False})))

    def _ask_together(self, actions: Sequence[Action]) -> BatchAnswer:
        ids = [self._calls.clock.new_id() for _ in actions]
        body = self._calls.batch_body(KeyClass.DATA_EXPORT, actions, ids, self._calls.clock.new_id())
        with self._calls.metered(actions) as request:
            response = self._calls.post("multi", body)
            answer = read_batch_answer(response.status, response.body, actions, ids)
            request.is_refused = isinstance(answer, Refused)
        if isinstance(answer, Refused) and answer.kind is RefusalKind.RATE_LIMITED:
            words = known_words(answer.message)
            raise self._calls.error_of(replace(answer, message=words), KeyClass.DATA_EXPORT)
        return answer

    def migration(self) -> Migration | None:
        """
        Return the state of the app's migration to CleverTap; None if there is no key to ask with.

        Not billed. Needs the production or the development key, the ones that SDKs use.

        Raises:
            ApiError: as for ``export_user``.
        """
        key_class = next((each for each in MIGRATION_KEYS if self._calls.keys.has(each)), None)
        if key_class is None:
            return None
        try:
            element = self._calls.retrying(lambda: self._calls.once(Action("getMigrateState", {}), key_class))
        except CredentialError:
            return None  # planning doesn't need this key; apply and doctor report what is wrong with it
        except RejectedError:
            return Migration.NONE  # a server without this action has no migration either
        return read_migration(element)

    def messages(self) -> tuple[Message, ...]:
        """Every message of the app, drafts and finished ones included, in the API's order."""
        return read_messages(self._ask(Action("getMessages", _EVERY_MESSAGE)))

    def categories(self) -> dict[str, str]:
        """Return the name of each unsubscribe category, by its id."""
        return read_categories(self._ask(Action("getUnsubscribeCategories", {})))

    def message(self, message_id: int) -> Message | None:
        """Return the message, or None if the app has none with that id."""
        try:
            element = self._ask(Action("getMessage", {"id": message_id}))
        except RejectedError as error:
            if error.status == HTTPStatus.NOT_FOUND or error.reason.lower().startswith("message not found"):
                return None
            raise
        return read_message(element.get("message"))  # type: ignore[arg-type]  # it says so itself if that is none

    def _ask(
        self,
        action: Action,
        on_rate_limit: Callable[[], None] | None = None,
        key_class: KeyClass | None = None,
        *,
        shown: Callable[[str], str] = str,
    ) -> Mapping[str, Json]:
        return self._calls.retrying(
            lambda: self._calls.once(action, key_class, shown=shown), on_rate_limit=on_rate_limit
        )


def _named(name: str, things: Mapping[str, Json]) -> dict[str, Json]:
    return {name: things[name]} if name in things else {}


def _export(subject: Subject) -> Action:
    return Action("exportUser", {subject.kind.id_argument: subject.id})
