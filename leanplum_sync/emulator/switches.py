"""The open questions about the API, with a switch for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Switches:
    """
    Behavior of the API that is not certain. The defaults are the most likely; tests set the alternatives.

    ``docs/emulator.md`` has a table of all switches, and ``docs/fidelity.md`` the evidence.
    """

    order: Literal["aligned", "user_sorted"] = "aligned"
    """Order of a multi's answers: as sent, or grouped by user id in string order (seen in 2015)."""

    failed_action_status: Literal["recorded", "by_class", "always_200"] = "recorded"
    """
    The HTTP status of a multi with a failing action: 404 if an action names no user (recorded in 2015) and 451 if its user
    is blocked, else 200; the 404 or 451 of any failing action; or always 200.
    """

    export_user_in_multi: bool = True

    duplicates: Literal["answer_again", "carry_out"] = "answer_again"
    """What happens to a second action with the same ``uuid`` and ``reqId``: it gets the first response, or is carried out."""

    concurrent_calls: Literal["queue_behind_multi", "queue", "refuse", "allow"] = "queue_behind_multi"
    """A second call about a user in flight: queued behind a multi and otherwise 429; always queued; always 429; or allowed."""

    dev_mode_limit: Literal["per_subject", "per_app", "off"] = "per_subject"
    """The scope of the limit of one devMode request a second."""

    dev_mode_with_production_key: bool = True
    """False refuses it."""

    nested_device_attributes: Literal["ignore", "apply"] = "ignore"

    device_details: Literal["by_source", "full", "id_only"] = "by_source"
    """What exportUser shows of a device: what setDeviceAttributes set, also what ``devices`` set, or only its id."""

    tokens_exported: bool = True

    create_never_adds_devices: bool = True
    """Whether a known user can get a new device under CreateNever."""

    missing_argument_status: Literal[200, 400] = 200

    oversized_text: str = "Request exceeds 50 users or 500 actions."

    idle_message: Literal["nothing_sent", "warn", "refuse"] = "nothing_sent"
    """sendMessage of a message that is inactive or not delivered manually."""

    untargeted: Literal["nothing_sent", "warn", "send"] = "nothing_sent"
    """sendMessage without force to a user outside the message's targeting."""

    empty_values: Literal["store", "drop"] = "store"
    """What ``""`` and ``[]`` do to an attribute."""

    integers: Literal["kept", "doubles"] = "kept"
    """Whether 25 reads back as ``25`` or ``25.0``."""

    java_doubles: bool = True
    """Whether 1.5e9 is written ``1.5E9``, as the API does, or plainly."""

    skipped_increment: Literal["silent", "warn"] = "silent"
    """Whether the response to an increment of something that is not an integer has a warning."""

    text_increments: Literal["skip", "count"] = "skip"
    """Whether an increment given as text, such as ``"3"``, is skipped like any that is not an integer."""

    unsubscribe_event: Literal["recorded", "none"] = "recorded"
    """Whether unsubscribing with setUserAttributes adds the event ``Unsubscribe``, which exportUser shows with its time."""

    beside_new_user_id: Literal["new", "old"] = "new"
    """Whose the attributes beside a ``newUserId`` are when one known user is switched for another."""

    empty_export: Literal["job", "not_found"] = "job"
    """exportData for a range without data: a job without sessions (2017), or 404 (2015)."""

    migrate_state: Literal["NONE", "EVENTS_UPLOAD_STARTED", "SDK_TRAFFIC_STOPPED"] = "NONE"
    """How far the app's migration to CleverTap has come. If it has begun, every response carries its hash."""

    strict_names: bool = False
    """Refuse attribute, event and state names that break the documented rules."""

    name_limit: int | None = None
    """How many distinct names of attributes, and of events, an app may have; None: no limit."""

    export_users_a_day: int = 40
    export_data_a_day: int = 24
    export_reports_a_day: int = 100

    export_users_rows: Literal["with_attribute", "every_user"] = "with_attribute"
    """Whether exportUsers of an attribute lists only users who have it, or all users, with an empty value."""

    export_users_quoting: Literal["minimal", "all", "backslash", "none"] = "minimal"
    """How its CSV quotes: only cells that need it; all cells; backslashes before quotes and commas; or not at all."""

    export_users_order: Literal["by_id", "shuffled"] = "by_id"

    export_users_duplicates: Literal["none", "same", "contradicting"] = "none"
    """Whether every third user has a second row: the same again, or one with an empty value."""

    export_users_missing: bool = False
    """Leave out every fifth user."""

    export_users_stale: bool = False
    """Give the rows as they were at the previous export of the same attribute."""

    export_users_truncated: Literal["no", "in_a_row", "between_rows"] = "no"
    """Cut the file off after two thirds, within a row or after one."""

    export_users_bytes: bool = False
    """Whether getExportResults gives the size of the file that exportUsers wrote, as it does for exportData."""

    export_users_outcome: Literal["FINISHED", "FAILED"] = "FINISHED"

    time_required: bool = False
    """Refuse a multi without ``time``."""

    api_version_required: bool = False
    """Refuse calls whose ``apiVersion`` is not 1.0.6."""

    ignored_at: Literal["both", "warning", "element"] = "both"
    """Where ``ignored: true`` is in the response to a rejected requireActive track."""

    inline_csv: bool = True

    lenient_syntax: bool = True
    """Accept ``[a, b]`` and ``{'a': 'b'}`` in place of JSON."""

    future_clock: Literal["silent", "warn"] = "silent"
    """Whether a client clock that is a day or more ahead gets a warning."""

    sdk_exempt: bool = True
    """Treat calls with ``sdkVersion`` as an SDK's: not billed, and without a limit on actions."""

    unlisted_actions: bool = True
    """Answer actions only SDKs send (``log``, ``restart``...) with success; else ``Action not found``."""

    job_seconds: float = 0.0
    """How long an export or import job is PENDING, and then RUNNING, before it is FINISHED."""

    postback_first_retry_seconds: float = 3600.0
    """Wait before the first retry of a postback; it doubles up to ten times this."""
