"""
The evidence for the emulator's behavior: for each action and each open question, the source, the test and the switch.

``docs/fidelity.md`` is generated from these tables, and tests check that every action, switch and test is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Evidence(StrEnum):
    """From strong to weak. An entry names its strongest evidence."""

    RECORDED = "recorded"  # real traffic in public test suites, 2015 to 2017
    DOCUMENTED = (
        "documented"  # Leanplum's reference, articles, OpenAPI description and collection of requests
    )
    SDK = "SDK"  # source and fixtures of Leanplum's own SDKs
    INFERRED = "inferred"  # other public clients, or reasoning alone


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """*test* is a conformance test about the action, as ``FILE::TEST`` in ``tests/conformance``."""

    evidence: Evidence
    test: str


@dataclass(frozen=True, slots=True)
class Question:
    """
    A question that public sources leave open, or on which they disagree.

    *answer* is what the emulator does by default. *switch* selects another answer. It is "" if no other answer is
    known, or if no caller could see the difference.
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
    "resumeSession": ActionFacts(_D, "test_sessions.py::test_resuming_an_ended_session_starts_a_new_one"),
    "heartbeat": ActionFacts(_D, "test_sessions.py::test_a_session_ends_after_two_quiet_hours"),
    "advance": ActionFacts(_D, "test_sessions.py::test_states_require_a_session_and_are_counted"),
    "pauseState": ActionFacts(_D, "test_sessions.py::test_states_require_a_session_and_are_counted"),
    "resumeState": ActionFacts(_D, "test_sessions.py::test_states_require_a_session_and_are_counted"),
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
        _R, "test_identity.py::test_a_deleted_user_is_gone_immediately_and_a_second_delete_is_skipped"
    ),
    "block": ActionFacts(
        _D, "test_identity.py::test_writes_to_a_blocked_user_are_refused_and_not_restored_by_unblocking"
    ),
    "unblock": ActionFacts(
        _D, "test_identity.py::test_writes_to_a_blocked_user_are_refused_and_not_restored_by_unblocking"
    ),
    "sendMessage": ActionFacts(
        _R, "test_messages.py::test_a_send_is_answered_as_recorded_and_counted_if_sent"
    ),
    "startCampaign": ActionFacts(_D, "test_messages.py::test_a_campaign_sends_its_messages"),
    "getMessage": ActionFacts(_R, "test_messages.py::test_a_message_is_found_by_its_id_as_a_number_or_text"),
    "getMessages": ActionFacts(
        _R, "test_messages.py::test_every_message_has_the_fields_that_were_always_seen"
    ),
    "getUnsubscribeCategories": ActionFacts(_D, "test_content.py::test_categories_are_listed"),
    "addAndroidNotificationChannel": ActionFacts(
        _D, "test_content.py::test_the_first_channel_is_the_default_and_is_deleted_last"
    ),
    "getAndroidNotificationChannels": ActionFacts(
        _D, "test_content.py::test_the_first_channel_is_the_default_and_is_deleted_last"
    ),
    "deleteAndroidNotificationChannel": ActionFacts(
        _D, "test_content.py::test_the_first_channel_is_the_default_and_is_deleted_last"
    ),
    "getAbTest": ActionFacts(_D, "test_content.py::test_only_a_single_ab_test_is_returned_with_details"),
    "getAbTests": ActionFacts(_R, "test_content.py::test_an_empty_app_has_no_tests"),
    "getVariant": ActionFacts(_D, "test_content.py::test_only_a_single_ab_test_is_returned_with_details"),
    "getVars": ActionFacts(_R, "test_content.py::test_the_values_of_a_users_variant_override_the_defaults"),
    "setVars": ActionFacts(_D, "test_content.py::test_dots_in_names_nest_variables_and_types_are_kept"),
    "deleteVars": ActionFacts(_D, "test_content.py::test_deleting_variables_returns_the_deleted_names"),
    "downloadFile": ActionFacts(
        _D, "test_content.py::test_a_file_is_uploaded_whole_and_downloaded_by_redirect"
    ),
    "uploadFile": ActionFacts(
        _D, "test_content.py::test_a_file_is_uploaded_whole_and_downloaded_by_redirect"
    ),
    "addPostback": ActionFacts(
        _D, "test_postbacks.py::test_an_app_has_at_most_three_postbacks_each_with_its_own_id"
    ),
    "listPostbacks": ActionFacts(
        _D, "test_postbacks.py::test_an_app_has_at_most_three_postbacks_each_with_its_own_id"
    ),
    "deletePostback": ActionFacts(
        _D, "test_postbacks.py::test_an_app_has_at_most_three_postbacks_each_with_its_own_id"
    ),
    "exportUser": ActionFacts(_R, "test_attributes.py::test_a_user_known_only_from_the_api_was_never_active"),
    "exportUsers": ActionFacts(_R, "test_exports.py::test_users_are_exported_as_a_csv_without_a_header"),
    "exportData": ActionFacts(
        _R, "test_other_callers.py::test_exported_sessions_have_numbers_and_name_the_sdk"
    ),
    "exportReport": ActionFacts(_D, "test_exports.py::test_a_report_on_messages_requires_a_message_id"),
    "getExportResults": ActionFacts(_R, "test_exports.py::test_a_job_is_pending_then_running_then_finished"),
    "multi": ActionFacts(_R, "test_multi.py::test_there_is_one_element_per_action_in_order"),
    "getMultiResults": ActionFacts(
        _D, "test_imports.py::test_each_row_becomes_an_action_with_its_own_result_line"
    ),
    "getNewsfeedMessages": ActionFacts(
        _S, "test_other_callers.py::test_messages_in_the_inbox_are_identified_only_by_their_keys"
    ),
    "markNewsfeedMessageAsRead": ActionFacts(
        _S, "test_content.py::test_the_inbox_is_read_marked_and_deleted"
    ),
    "deleteNewsfeedMessage": ActionFacts(_S, "test_content.py::test_the_inbox_is_read_marked_and_deleted"),
    "restart": ActionFacts(_S, "test_content.py::test_actions_that_only_sdks_send_work_unless_switched_off"),
    "log": ActionFacts(_S, "test_content.py::test_actions_that_only_sdks_send_work_unless_switched_off"),
    "trackGeofence": ActionFacts(
        _S, "test_content.py::test_actions_that_only_sdks_send_work_unless_switched_off"
    ),
    "getMigrateState": ActionFacts(
        _S, "test_other_callers.py::test_the_app_reports_the_state_of_its_migration"
    ),
}

QUESTIONS: Final = (
    Question(
        "Are the elements of a `multi` response in the order of its actions?",
        "yes, as recorded in 2017; in 2015, elements were grouped by user",
        _R,
        "test_multi.py::test_a_switch_groups_answers_by_user",
        "order",
    ),
    Question(
        "What is the HTTP status of a multi with a failed action?",
        "404 if an action names no user, 451 if its user is blocked, otherwise 200",
        _R,
        "test_other_callers.py::test_the_status_of_a_multi_depends_on_which_action_failed",
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
        "Is a repeated batch recognized by its `uuid` and `reqId`?",
        "yes, and it gets the same response again",
        _S,
        "test_multi.py::test_a_switch_carries_out_duplicates",
        "duplicates",
    ),
    Question(
        "What happens to a second call for a user while the first is in flight?",
        "it is queued behind a multi, and otherwise refused with 429; two pages of the documentation differ",
        _D,
        "test_concurrency.py::test_a_switch_decides_whether_a_second_call_for_a_user_is_queued_or_refused",
        "concurrent_calls",
    ),
    Question(
        "Is the rate limit of `devMode` per user, per device, or per app?",
        "per user, or per device if there is no user",
        _D,
        "test_keys_and_limits.py::test_the_limit_for_developers_can_apply_to_the_whole_app_or_be_off",
        "dev_mode_limit",
    ),
    Question(
        "Does `devMode` work with the production key?",
        "yes: it worked in a call from 2015, but SDKs can handle a refusal",
        _R,
        "test_keys_and_limits.py::test_a_switch_refuses_dev_mode_with_the_production_key",
        "dev_mode_with_production_key",
    ),
    Question(
        "Does a nested `deviceAttributes` argument set anything?",
        "no, although the call succeeds",
        _R,
        "test_devices.py::test_nested_device_attributes_do_nothing_unless_switched",
        "nested_device_attributes",
    ),
    Question(
        "Which device fields does `exportUser` show?",
        "fields set by `setDeviceAttributes`; devices that were only listed have just their id",
        _R,
        "test_devices.py::test_a_switch_decides_which_device_fields_are_shown",
        "device_details",
    ),
    Question(
        "Does `exportUser` show push tokens?",
        "yes",
        _D,
        "test_devices.py::test_a_switch_hides_push_tokens",
        "tokens_exported",
    ),
    Question(
        "Can `CreateNever` add a new device to a known user?",
        "yes",
        _I,
        "test_identity.py::test_create_never_can_add_a_device_to_a_known_user_unless_switched_off",
        "create_never_adds_devices",
    ),
    Question(
        "Is the HTTP status for a missing argument 400 or 200?",
        "200, with `success: false`; two clients expect different statuses",
        _I,
        "test_devices.py::test_a_switch_returns_400_for_a_missing_argument",
        "missing_argument_status",
    ),
    Question(
        "What is the error text for a multi that is too large?",
        "the emulator's own text, with the documented status 403",
        _D,
        "test_multi.py::test_the_text_for_too_many_actions_can_be_chosen",
        "oversized_text",
    ),
    Question(
        "What is the response if the message to send is inactive, or its delivery is not manual?",
        "`messagesSent` is 0",
        _I,
        "test_messages.py::test_switches_decide_the_answer_if_no_message_is_sent",
        "idle_message",
    ),
    Question(
        "What is the response if the recipient is outside the message's targeting?",
        "`messagesSent` is 0, as a client's test expects",
        _I,
        "test_messages.py::test_switches_decide_the_answer_if_no_message_is_sent",
        "untargeted",
    ),
    Question(
        'Are `""` and `[]` stored as values?',
        "yes",
        _I,
        "test_attributes.py::test_a_switch_makes_empty_values_remove_the_attribute",
        "empty_values",
    ),
    Question(
        "Do integers read back as integers?",
        "yes, as in the reference's example",
        _D,
        "test_attributes.py::test_a_switch_returns_integers_as_doubles",
        "integers",
    ),
    Question(
        "How are doubles written?",
        "as Java writes them: `1.5E9`",
        _R,
        "test_transport.py::test_doubles_are_formatted_like_java",
        "java_doubles",
    ),
    Question(
        "Does a skipped increment return a warning?",
        "no; only the skipping itself is documented",
        _D,
        "test_attributes.py::test_a_switch_adds_a_warning_to_a_skipped_increment",
        "skipped_increment",
    ),
    Question(
        "Does an increment given as text take effect?",
        "no, because text is not an integer; but a demo by Leanplum sends text",
        _I,
        "test_other_callers.py::test_an_increment_given_as_text_is_skipped_or_applied",
        "text_increments",
    ),
    Question(
        "Does unsubscribing with `setUserAttributes` add the event `Unsubscribe`?",
        "yes; documented for unsubscribing, but not for this call",
        _I,
        "test_attributes.py::test_unsubscribing_is_an_event_or_leaves_no_trace",
        "unsubscribe_event",
    ),
    Question(
        "Which users are anonymous?",
        "users without an id, and users whose id is the device id",
        _S,
        "test_other_callers.py::test_a_user_whose_id_is_the_device_id_is_anonymous_and_can_register",
    ),
    Question(
        "If a known user is switched with `newUserId`, which user gets the attributes in the same call?",
        "the new user",
        _S,
        "test_other_callers.py::test_attributes_set_while_switching_users_go_to_the_new_user",
        "beside_new_user_id",
    ),
    Question(
        "Which values win when an anonymous user is merged into a known user?",
        "first the values in the call, then the known user's; lists are merged, counts are added",
        _I,
        "test_identity.py::test_logging_in_merges_the_anonymous_user_into_the_known_user",
    ),
    Question(
        "What does `exportData` return for a range without data?",
        "a job, as in 2017; in 2015 it returned 404",
        _R,
        "test_other_callers.py::test_exporting_a_range_without_data_returns_a_job_or_404",
        "empty_export",
    ),
    Question(
        "Which fields of exported sessions are numbers?",
        "bucket, duration, offset and experiments; times and attributes are text",
        _I,
        "test_other_callers.py::test_exported_sessions_have_numbers_and_name_the_sdk",
    ),
    Question(
        "What is the state of the app's migration to CleverTap?",
        "it has not started",
        _S,
        "test_other_callers.py::test_the_app_reports_the_state_of_its_migration",
        "migrate_state",
    ),
    Question(
        "What is the response if an app has moved to another host?",
        "`success: false` with `apiHost`, if the fault `host-mismatch` is injected",
        _S,
        "test_other_callers.py::test_an_app_that_has_moved_returns_its_new_host",
    ),
    Question(
        "Are names that break the documented rules refused?",
        "no",
        _D,
        "test_keys_and_limits.py::test_a_switch_turns_on_checks_of_names",
        "strict_names",
    ),
    Question(
        "Is the 501st name of an attribute or event refused?",
        "no",
        _D,
        "test_keys_and_limits.py::test_a_switch_refuses_the_501st_name",
        "name_limit",
    ),
    Question(
        "How many `exportUsers` calls are allowed per day?",
        "40; an older page says 10",
        _D,
        "test_exports.py::test_exports_have_a_daily_quota",
        "export_users_a_day",
    ),
    Question(
        "Which users does `exportUsers` of an attribute list?",
        "those who have the attribute",
        _D,
        "test_exports.py::test_users_without_the_attribute_are_left_out_or_listed_with_an_empty_value",
        "export_users_rows",
    ),
    Question(
        "How does the CSV of `exportUsers` quote its cells?",
        "cells with a comma, a quote, or a line break are in quotes",
        _I,
        "test_exports.py::test_an_export_of_users_is_quoted_in_any_of_four_ways",
        "export_users_quoting",
    ),
    Question(
        "In which order are the rows of `exportUsers`?",
        "by user id",
        _I,
        "test_exports.py::test_an_export_of_users_can_be_shuffled",
        "export_users_order",
    ),
    Question(
        "Does `exportUsers` list a user twice?",
        "no",
        _I,
        "test_exports.py::test_an_export_of_users_can_repeat_rows",
        "export_users_duplicates",
    ),
    Question(
        "Is `exportUsers` complete?",
        "yes; the data export lacks 10 to 15 % of sessions, according to a client",
        _I,
        "test_exports.py::test_an_export_of_users_can_lack_rows",
        "export_users_missing",
    ),
    Question(
        "How old is the data of `exportUsers`?",
        "it is current",
        _I,
        "test_exports.py::test_an_export_of_users_can_be_stale",
        "export_users_stale",
    ),
    Question(
        "Can a file of `exportUsers` be cut off?",
        "no",
        _I,
        "test_exports.py::test_the_file_of_an_export_of_users_can_be_cut_off",
        "export_users_truncated",
    ),
    Question(
        "Does the result of `exportUsers` give the size of its file?",
        "no",
        _I,
        "test_exports.py::test_the_file_of_an_export_of_users_can_be_cut_off",
        "export_users_bytes",
    ),
    Question(
        "Does an `exportUsers` job that was started finish?",
        "yes",
        _I,
        "test_exports.py::test_an_export_of_users_can_fail",
        "export_users_outcome",
    ),
    Question(
        "How many `exportData` calls are allowed per day?",
        "24",
        _D,
        "test_exports.py::test_missing_or_old_data_is_refused_without_using_quota",
        "export_data_a_day",
    ),
    Question(
        "How many `exportReport` calls are allowed per day?",
        "100",
        _D,
        "test_exports.py::test_exports_have_a_daily_quota",
        "export_reports_a_day",
    ),
    Question(
        "Is `time` required in a multi?",
        "no: it is documented as required, but clients work without it",
        _I,
        "test_multi.py::test_switches_make_time_and_version_required",
        "time_required",
    ),
    Question(
        "Is `apiVersion` required?",
        "no: SDKs omit it",
        _S,
        "test_multi.py::test_switches_make_time_and_version_required",
        "api_version_required",
    ),
    Question(
        "Where in a response does `ignored` appear?",
        "in the warning and in the element; the reference can be read either way",
        _D,
        "test_sessions.py::test_events_outside_a_session_are_ignored_with_require_active",
        "ignored_at",
    ),
    Question(
        "What is the response to a `multi` request with CSV in its body?",
        "one element for each row",
        _I,
        "test_imports.py::test_inline_csv_gets_one_answer_per_row_and_has_the_limits_of_a_multi",
        "inline_csv",
    ),
    Question(
        "Are `[a, b]` and `{'a': 'b'}` accepted as JSON?",
        "yes, as in the reference's examples",
        _D,
        "test_transport.py::test_a_switch_refuses_bare_words",
        "lenient_syntax",
    ),
    Question(
        "Does the API warn a client whose clock is ahead?",
        "no; it only warns a client whose clock is behind",
        _R,
        "test_time.py::test_a_switch_adds_a_warning_if_the_clients_clock_is_ahead",
        "future_clock",
    ),
    Question(
        "Are calls by SDKs limited and billed?",
        "no",
        _S,
        "test_keys_and_limits.py::test_a_switch_treats_sdks_like_other_clients",
        "sdk_exempt",
    ),
    Question(
        "Can other callers use the actions that only SDKs send?",
        "yes",
        _S,
        "test_content.py::test_actions_that_only_sdks_send_work_unless_switched_off",
        "unlisted_actions",
    ),
    Question(
        "How long do jobs take?",
        "they finish immediately",
        _I,
        "test_exports.py::test_a_job_is_pending_then_running_then_finished",
        "job_seconds",
    ),
    Question(
        "When is a failed postback retried?",
        "after an hour, and then nine times at increasing intervals",
        _D,
        "test_postbacks.py::test_a_postback_is_retried_after_a_server_error",
        "postback_first_retry_seconds",
    ),
    Question(
        "Is `[]` accepted as an empty object?",
        "yes, because PHP encodes it that way",
        _I,
        "test_other_callers.py::test_an_empty_list_is_accepted_as_an_empty_object",
    ),
    Question(
        "Is there a second URL path for multis?",
        "yes: `/api-batch`, which a client from 2015 used, does the same",
        _I,
        "test_other_callers.py::test_multis_are_accepted_at_the_path_that_an_old_client_used",
    ),
    Question(
        "Does null remove an attribute?",
        "yes, as the SDKs do it",
        _S,
        "test_attributes.py::test_a_value_reads_back_as_recorded",
    ),
    Question(
        "What is the result of adding to a single value, or to no value?",
        "a list",
        _I,
        "test_attributes.py::test_adding_appends_to_a_list",
    ),
    Question(
        "In which order does one call set and change an attribute?",
        "set, remove, add, increment",
        _I,
        "test_attributes.py::test_a_call_sets_then_removes_then_adds_then_increments",
    ),
    Question(
        "Do new values of `firstTime` and `lastTime` overwrite old ones?",
        "no: the earliest `firstTime` and the latest `lastTime` are kept",
        _R,
        "test_attributes.py::test_the_earliest_first_time_and_the_latest_last_time_are_kept",
    ),
    Question(
        "How is a user's bucket computed?",
        "MD5 of the id, modulo 1000, which matches the only published pair",
        _I,
        "test_identity.py::test_a_users_bucket_is_computed_from_the_id",
    ),
    Question(
        "Which key do `block` and `unblock` require?",
        "production or development: two descriptions differ",
        _D,
        "test_every_action.py::test_an_action_only_accepts_keys_of_its_classes",
    ),
    Question(
        "What does `getVars` return without a user?",
        "the values for a new user, as an older page says",
        _D,
        "test_content.py::test_get_vars_is_billed_only_for_its_user",
    ),
    Question(
        "What is the response for an unknown job?",
        "404",
        _I,
        "test_exports.py::test_an_unknown_job_returns_404",
    ),
    Question(
        "Can a response have both `success: true` and an error?",
        "only if the fault `success-and-error` is injected: it is documented, but was never recorded",
        _D,
        "test_faults.py::test_an_answer_can_have_both_success_and_an_error",
    ),
)
