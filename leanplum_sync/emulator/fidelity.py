"""
What the emulator's behaviour rests on: for each action and each open question, the evidence, the test and the switch.

``docs/fidelity.md`` is generated from these tables, and tests check that every action, switch and test is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Evidence(StrEnum):
    """From strong to weak. The strongest that there is counts."""

    RECORDED = "recorded"  # real traffic in public test suites, 2015 to 2017
    DOCUMENTED = (
        "documented"  # Leanplum's reference, articles, OpenAPI description and collection of requests
    )
    SDK = "SDK"  # source and fixtures of Leanplum's own SDKs
    INFERRED = "inferred"  # other public clients, or reasoning alone


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """*test* is a conformance test about what the action does, as ``FILE::TEST`` in ``tests/conformance``."""

    evidence: Evidence
    test: str


@dataclass(frozen=True, slots=True)
class Question:
    """
    One thing that public sources leave open, contradict, or tell only in part.

    *answer* is what the emulator does by default. *switch* chooses another answer; "" where only one is known, or the
    difference reaches no caller.
    """

    question: str
    answer: str
    evidence: Evidence
    test: str
    switch: str = ""


_R, _D, _S, _I = Evidence.RECORDED, Evidence.DOCUMENTED, Evidence.SDK, Evidence.INFERRED

ACTIONS: Final[Mapping[str, ActionFacts]] = {
    "start": ActionFacts(_D, "test_sessions.py::test_start_answers_with_content"),
    "stop": ActionFacts(_D, "test_sessions.py::test_a_session_ends_by_stop"),
    "pauseSession": ActionFacts(_D, "test_sessions.py::test_a_paused_session_ends_after_half_an_hour"),
    "resumeSession": ActionFacts(_D, "test_sessions.py::test_resuming_after_the_end_begins_another_session"),
    "heartbeat": ActionFacts(_D, "test_sessions.py::test_a_session_ends_after_two_quiet_hours"),
    "advance": ActionFacts(_D, "test_sessions.py::test_states_need_a_session_and_are_counted"),
    "pauseState": ActionFacts(_D, "test_sessions.py::test_states_need_a_session_and_are_counted"),
    "resumeState": ActionFacts(_D, "test_sessions.py::test_states_need_a_session_and_are_counted"),
    "track": ActionFacts(
        _R, "test_sessions.py::test_an_event_outside_a_session_is_offline_and_inside_it_is_not"
    ),
    "setTrafficSourceInfo": ActionFacts(
        _D, "test_sessions.py::test_the_traffic_source_must_come_within_two_minutes"
    ),
    "setUserAttributes": ActionFacts(_R, "test_attributes.py::test_a_value_reads_back_as_recorded"),
    "setDeviceAttributes": ActionFacts(_R, "test_devices.py::test_tokens_and_device_fields_read_back"),
    "registerDevice": ActionFacts(_D, "test_devices.py::test_a_device_is_registered_once"),
    "deleteUser": ActionFacts(
        _R, "test_identity.py::test_a_deleted_user_is_gone_at_once_and_a_second_delete_skips"
    ),
    "block": ActionFacts(
        _D, "test_identity.py::test_a_blocked_user_takes_no_writes_until_unblocked_and_nothing_is_restored"
    ),
    "unblock": ActionFacts(
        _D, "test_identity.py::test_a_blocked_user_takes_no_writes_until_unblocked_and_nothing_is_restored"
    ),
    "sendMessage": ActionFacts(
        _R, "test_messages.py::test_a_send_is_answered_as_recorded_and_counted_if_sent"
    ),
    "startCampaign": ActionFacts(_D, "test_messages.py::test_a_campaign_sends_its_messages"),
    "getMessage": ActionFacts(_R, "test_messages.py::test_one_message_is_found_by_its_id_as_number_or_text"),
    "getMessages": ActionFacts(
        _R, "test_messages.py::test_every_message_has_the_fields_that_were_always_seen"
    ),
    "getUnsubscribeCategories": ActionFacts(_D, "test_content.py::test_categories_are_listed"),
    "addAndroidNotificationChannel": ActionFacts(
        _D, "test_content.py::test_the_first_channel_is_the_default_and_goes_last"
    ),
    "getAndroidNotificationChannels": ActionFacts(
        _D, "test_content.py::test_the_first_channel_is_the_default_and_goes_last"
    ),
    "deleteAndroidNotificationChannel": ActionFacts(
        _D, "test_content.py::test_the_first_channel_is_the_default_and_goes_last"
    ),
    "getAbTest": ActionFacts(
        _D, "test_content.py::test_tests_and_variants_are_found_and_only_one_test_has_details"
    ),
    "getAbTests": ActionFacts(_R, "test_content.py::test_an_empty_app_has_no_tests"),
    "getVariant": ActionFacts(
        _D, "test_content.py::test_tests_and_variants_are_found_and_only_one_test_has_details"
    ),
    "getVars": ActionFacts(_R, "test_content.py::test_a_user_in_a_variant_gets_its_values_over_the_defaults"),
    "setVars": ActionFacts(_D, "test_content.py::test_variables_nest_by_their_dots_and_keep_their_types"),
    "deleteVars": ActionFacts(_D, "test_content.py::test_deleting_variables_says_which_were_there"),
    "downloadFile": ActionFacts(
        _D, "test_content.py::test_a_file_is_uploaded_whole_and_downloaded_by_redirect"
    ),
    "uploadFile": ActionFacts(
        _D, "test_content.py::test_a_file_is_uploaded_whole_and_downloaded_by_redirect"
    ),
    "addPostback": ActionFacts(
        _D, "test_postbacks.py::test_there_are_at_most_three_and_each_has_a_number_of_its_own"
    ),
    "listPostbacks": ActionFacts(
        _D, "test_postbacks.py::test_there_are_at_most_three_and_each_has_a_number_of_its_own"
    ),
    "deletePostback": ActionFacts(
        _D, "test_postbacks.py::test_there_are_at_most_three_and_each_has_a_number_of_its_own"
    ),
    "exportUser": ActionFacts(_R, "test_attributes.py::test_a_user_of_the_api_alone_was_never_active"),
    "exportUsers": ActionFacts(_R, "test_exports.py::test_users_are_exported_as_a_csv_without_a_header"),
    "exportData": ActionFacts(
        _R, "test_other_callers.py::test_exported_sessions_have_numbers_and_tell_of_the_sdk"
    ),
    "exportReport": ActionFacts(_D, "test_exports.py::test_a_report_is_opaque_and_needs_its_subject"),
    "getExportResults": ActionFacts(_R, "test_exports.py::test_a_job_is_pending_then_running_then_finished"),
    "multi": ActionFacts(_R, "test_multi.py::test_there_is_one_element_per_action_in_order"),
    "getMultiResults": ActionFacts(
        _D, "test_imports.py::test_rows_become_actions_and_each_has_a_line_of_answer"
    ),
    "getNewsfeedMessages": ActionFacts(
        _S, "test_other_callers.py::test_the_inbox_names_messages_by_its_keys_alone"
    ),
    "markNewsfeedMessageAsRead": ActionFacts(
        _S, "test_content.py::test_the_inbox_is_read_marked_and_deleted"
    ),
    "deleteNewsfeedMessage": ActionFacts(_S, "test_content.py::test_the_inbox_is_read_marked_and_deleted"),
    "restart": ActionFacts(_S, "test_content.py::test_what_only_sdks_send_is_tolerated_unless_switched_off"),
    "log": ActionFacts(_S, "test_content.py::test_what_only_sdks_send_is_tolerated_unless_switched_off"),
    "trackGeofence": ActionFacts(
        _S, "test_content.py::test_what_only_sdks_send_is_tolerated_unless_switched_off"
    ),
    "getMigrateState": ActionFacts(
        _S, "test_other_callers.py::test_the_app_says_how_far_its_migration_has_come"
    ),
}

QUESTIONS: Final = (
    Question(
        "Do the answers of a multi come in the order of its actions?",
        "yes, as recorded in 2017; in 2015 they were grouped by user",
        _R,
        "test_multi.py::test_answers_are_grouped_by_user_where_the_switch_says_so",
        "order",
    ),
    Question(
        "Which HTTP status has a multi with a failed action?",
        "404 if an action names no user, 451 if its user is blocked, else 200",
        _R,
        "test_other_callers.py::test_a_multi_with_a_failed_action_has_a_status_by_what_failed",
        "failed_action_status",
    ),
    Question(
        "Can users be read inside a multi?",
        "yes, with the data export key",
        _I,
        "test_multi.py::test_export_user_works_inside_a_multi_unless_switched_off",
        "export_user_in_multi",
    ),
    Question(
        "Is a repeated batch recognised by its `uuid` and `reqId`?",
        "yes, and it gets the answers it got before",
        _S,
        "test_multi.py::test_duplicates_are_carried_out_where_the_switch_says_so",
        "duplicates",
    ),
    Question(
        "Is a second call on a user in flight queued, or refused with 429?",
        "queued behind a multi, else refused: two pages differ",
        _D,
        "test_concurrency.py::test_a_second_call_on_a_user_is_queued_or_refused_by_the_switch",
        "concurrent_calls",
    ),
    Question(
        "Is `devMode` limited per user, per device, or per app?",
        "per user, or per device without one",
        _D,
        "test_keys_and_limits.py::test_the_developers_limit_can_be_the_whole_apps_or_off",
        "dev_mode_limit",
    ),
    Question(
        "Does `devMode` work with the production key?",
        "yes: a call of 2015 did; SDKs know a refusal",
        _R,
        "test_keys_and_limits.py::test_dev_mode_with_the_production_key_is_refused_where_the_switch_says_so",
        "dev_mode_with_production_key",
    ),
    Question(
        "Does a nested `deviceAttributes` set anything?",
        "no, though the answer is a success",
        _R,
        "test_devices.py::test_nested_device_attributes_do_nothing_unless_switched",
        "nested_device_attributes",
    ),
    Question(
        "What does `exportUser` show of a device?",
        "what `setDeviceAttributes` set; of listed devices the id alone",
        _R,
        "test_devices.py::test_how_much_is_told_depends_on_the_switch",
        "device_details",
    ),
    Question(
        "Does `exportUser` show push tokens?",
        "yes",
        _D,
        "test_devices.py::test_tokens_are_not_told_where_the_switch_says_so",
        "tokens_exported",
    ),
    Question(
        "Does a known user get a new device under `CreateNever`?",
        "yes",
        _I,
        "test_identity.py::test_create_never_still_gives_a_known_user_a_device_unless_switched_off",
        "create_never_adds_devices",
    ),
    Question(
        "Is a missing argument answered with 400 or 200?",
        "200 with `success: false`; two clients differ",
        _I,
        "test_devices.py::test_a_missing_argument_gets_400_where_the_switch_says_so",
        "missing_argument_status",
    ),
    Question(
        "What does the refusal of too large a multi say?",
        "a text of the emulator's own, with the documented 403",
        _D,
        "test_multi.py::test_the_text_for_too_many_actions_can_be_chosen",
        "oversized_text",
    ),
    Question(
        "What is the answer to a send of a message that is inactive or not sent by hand?",
        "`messagesSent` 0",
        _I,
        "test_messages.py::test_what_is_not_sent_follows_the_switches",
        "idle_message",
    ),
    Question(
        "What is the answer to a send to a user outside the targeting?",
        "`messagesSent` 0, as a client's test expected",
        _I,
        "test_messages.py::test_what_is_not_sent_follows_the_switches",
        "untargeted",
    ),
    Question(
        'Are `""` and `[]` kept as values?',
        "yes",
        _I,
        "test_attributes.py::test_empty_values_remove_where_the_switch_says_so",
        "empty_values",
    ),
    Question(
        "Do integers read back as integers?",
        "yes, as in the reference's example",
        _D,
        "test_attributes.py::test_integers_read_back_as_doubles_where_the_switch_says_so",
        "integers",
    ),
    Question(
        "How are doubles written?",
        "as Java writes them: `1.5E9`",
        _R,
        "test_transport.py::test_doubles_are_written_as_java_writes_them",
        "java_doubles",
    ),
    Question(
        "Does a skipped increment warn?",
        "no; that it is skipped is documented",
        _D,
        "test_attributes.py::test_a_skipped_increment_warns_where_the_switch_says_so",
        "skipped_increment",
    ),
    Question(
        "Is an increment given as text counted?",
        "no: it is not an integer; a demonstration of Leanplum's sends such",
        _I,
        "test_other_callers.py::test_an_increment_given_as_text_is_skipped_or_counted",
        "text_increments",
    ),
    Question(
        "Who is anonymous?",
        "a user without an id, or whose id is the device's",
        _S,
        "test_other_callers.py::test_a_user_whose_id_is_the_device_id_is_anonymous_and_registers",
    ),
    Question(
        "Whose are the attributes beside a `newUserId`, if the caller was a known user?",
        "the new user's",
        _S,
        "test_other_callers.py::test_what_is_set_at_a_switch_of_users_belongs_to_the_new_user",
        "beside_new_user_id",
    ),
    Question(
        "What wins when an anonymous user is merged into a known one?",
        "what the call sets, then the known user's values; sets unite, counts add up",
        _I,
        "test_identity.py::test_logging_in_merges_the_anonymous_user_into_the_known_one",
    ),
    Question(
        "How is `exportData` answered for a range without data?",
        "with a job, as in 2017; in 2015 with 404",
        _R,
        "test_other_callers.py::test_a_range_without_data_gives_a_job_or_404",
        "empty_export",
    ),
    Question(
        "Which fields of exported sessions are numbers?",
        "bucket, duration, offset, experiments; times and attributes are text",
        _I,
        "test_other_callers.py::test_exported_sessions_have_numbers_and_tell_of_the_sdk",
    ),
    Question(
        "How far has the app's migration to CleverTap come?",
        "it has not begun",
        _S,
        "test_other_callers.py::test_the_app_says_how_far_its_migration_has_come",
        "migrate_state",
    ),
    Question(
        "How does an app answer that has moved to another host?",
        "`success: false` with `apiHost`, on request (fault `host-mismatch`)",
        _S,
        "test_other_callers.py::test_an_app_that_moved_says_where_in_words_of_any_kind",
    ),
    Question(
        "Are names refused that break the documented rules?",
        "no",
        _D,
        "test_keys_and_limits.py::test_names_are_only_checked_where_the_switch_says_so",
        "strict_names",
    ),
    Question(
        "What happens at the 501st name of an attribute or event?",
        "nothing",
        _D,
        "test_keys_and_limits.py::test_the_501st_name_is_only_refused_where_the_switch_says_so",
        "name_limit",
    ),
    Question(
        "How many `exportUsers` are there a day?",
        "40; an older page says 10",
        _D,
        "test_exports.py::test_exports_have_a_daily_quota",
        "export_users_a_day",
    ),
    Question(
        "How many `exportData` are there a day?",
        "24",
        _D,
        "test_exports.py::test_data_that_is_not_there_or_too_old_is_refused_and_costs_no_quota",
        "export_data_a_day",
    ),
    Question(
        "How many `exportReport` are there a day?",
        "100",
        _D,
        "test_exports.py::test_exports_have_a_daily_quota",
        "export_reports_a_day",
    ),
    Question(
        "Is `time` required in a multi?",
        "no, though documented: clients live without",
        _I,
        "test_multi.py::test_time_and_version_are_only_required_where_the_switches_say_so",
        "time_required",
    ),
    Question(
        "Is `apiVersion` required?",
        "no: SDKs leave it out",
        _S,
        "test_multi.py::test_time_and_version_are_only_required_where_the_switches_say_so",
        "api_version_required",
    ),
    Question(
        "Where in an answer is `ignored`?",
        "in the warning and beside it; the reference can be read both ways",
        _D,
        "test_sessions.py::test_require_active_ignores_events_outside_a_session",
        "ignored_at",
    ),
    Question(
        "How is CSV in the body of a multi answered?",
        "an element for each row",
        _I,
        "test_imports.py::test_inline_csv_is_answered_row_by_row_within_the_limits_of_a_multi",
        "inline_csv",
    ),
    Question(
        "Do `[a, b]` and `{'a': 'b'}` pass for JSON?",
        "yes, as in the reference's examples",
        _D,
        "test_transport.py::test_bare_words_are_no_objects_where_the_switch_says_so",
        "lenient_syntax",
    ),
    Question(
        "Is a client told that its clock is ahead?",
        "no; that it is behind, it is told",
        _R,
        "test_time.py::test_a_clock_ahead_is_only_told_where_the_switch_says_so",
        "future_clock",
    ),
    Question(
        "Are calls of SDKs limited and billed?",
        "no",
        _S,
        "test_keys_and_limits.py::test_an_sdk_is_treated_like_others_where_the_switch_says_so",
        "sdk_exempt",
    ),
    Question(
        "Do actions that only SDKs send exist for other callers?",
        "yes",
        _S,
        "test_content.py::test_what_only_sdks_send_is_tolerated_unless_switched_off",
        "unlisted_actions",
    ),
    Question(
        "How long do jobs take?",
        "no time",
        _I,
        "test_exports.py::test_a_job_is_pending_then_running_then_finished",
        "job_seconds",
    ),
    Question(
        "When is a postback tried again?",
        "after an hour, then at longer intervals, nine times",
        _D,
        "test_postbacks.py::test_a_server_error_is_tried_again",
        "postback_first_retry_seconds",
    ),
    Question(
        "Does `[]` stand for an empty object?",
        "yes: PHP writes it so",
        _I,
        "test_other_callers.py::test_an_empty_list_stands_for_an_empty_object",
    ),
    Question(
        "Is there a second path for multis?",
        "`/api-batch` does the same; a client of 2015 used it",
        _I,
        "test_other_callers.py::test_multis_are_accepted_at_the_path_of_an_old_client",
    ),
    Question(
        "Is an attribute removed by null?",
        "yes, as SDKs do it",
        _S,
        "test_attributes.py::test_a_value_reads_back_as_recorded",
    ),
    Question(
        "What does adding to a single value, or to none, make?",
        "a list",
        _I,
        "test_attributes.py::test_adding_appends_to_a_set",
    ),
    Question(
        "What happens if one call sets and changes an attribute?",
        "set, remove, add, increment, in this order",
        _I,
        "test_attributes.py::test_one_call_sets_then_removes_then_adds_then_increments",
    ),
    Question(
        "Do `firstTime` and `lastTime` of events overwrite?",
        "no: the earlier and the later one stay",
        _R,
        "test_attributes.py::test_first_time_only_moves_back_and_last_time_only_forth",
    ),
    Question(
        "What is a user's bucket?",
        "MD5 of the id, modulo 1000: fits the one pair that was published",
        _I,
        "test_identity.py::test_the_bucket_is_a_function_of_the_user_id",
    ),
    Question(
        "Which key do `block` and `unblock` need?",
        "production or development: two descriptions differ",
        _D,
        "test_every_action.py::test_only_its_own_classes_of_keys_open_an_action",
    ),
    Question(
        "What does `getVars` tell without a user?",
        "what a new user would see, as an older page says",
        _D,
        "test_content.py::test_get_vars_is_billed_for_its_user_only",
    ),
    Question(
        "How is an unknown job answered?",
        "404",
        _I,
        "test_exports.py::test_an_unknown_job_is_404",
    ),
    Question(
        "Is an error ever beside `success: true`?",
        "on request (fault `success-and-error`): documented, never recorded",
        _D,
        "test_faults.py::test_success_and_error_can_stand_together",
    ),
)
