//! The contract: what AWS and Stripe really do, as far as Tollgate relies on it
//! (`docs/contract.md`).
//!
//! Each case runs twice, on two faces of the same stand-ins: `contract::ports::…` calls
//! their ports face, on which the simulation runs, `contract::wire::…` calls the real
//! adapters, through the real SDKs and over HTTP. A case that holds on one face only is
//! a disagreement, and one of the two is wrong.
//!
//! Deliberately not here: what no port reaches, and what only the real services can
//! show. A stand-in's own rules are tested beside it.

use std::collections::BTreeSet;

mod face;

mod api_gateway;
mod cognito;
mod faults;
mod ledger;
mod sqs;
mod stripe;

/// Two tests for each case, and the cases' names.
macro_rules! contract {
    ($($group:ident: $($case:ident,)+;)+) => {
        mod ports {
            $(mod $group {
                $(#[tokio::test]
                async fn $case() {
                    use crate::contract::{face, $group};
                    $group::$case(face::stand::<face::OnThePorts>().await).await;
                })+
            })+
        }

        mod wire {
            $(mod $group {
                $(#[tokio::test]
                async fn $case() {
                    use crate::contract::{face, $group};
                    $group::$case(face::stand::<face::OnTheWire>().await).await;
                })+
            })+
        }

        const CASES: &[&str] = &[$($(stringify!($case)),+),+];
    };
}

/// The document lists exactly the cases that there are.
#[test]
fn the_document_names_every_case() {
    let document = include_str!("../../../../docs/contract.md");
    let named: BTreeSet<&str> = document
        .lines()
        .filter_map(|line| line.strip_suffix("` |")?.rsplit_once("| `"))
        .map(|(_, case)| case)
        .collect();
    assert_eq!(named, CASES.iter().copied().collect());
}

contract! {
    api_gateway:
        a_new_key_is_enabled_and_shown_without_its_value,
        a_value_that_exists_is_refused_with_conflict,
        one_of_two_keys_with_one_value_is_made,
        a_value_has_20_to_128_letters_and_digits,
        names_are_not_unique,
        values_only_when_asked_for,
        keys_are_found_by_customer_id_on_every_page,
        a_page_has_at_most_500_keys,
        a_key_is_disabled_and_enabled,
        a_deleted_key_is_not_found,
        a_key_can_be_on_one_usage_plan_per_stage,
        attaching_twice_is_a_conflict,
        conflict_also_means_try_again,
        detaching_what_is_not_attached_is_not_found,
        an_unknown_usage_plan_is_not_found,
        usage_plans_of_a_key,
        keys_on_a_usage_plan_come_in_pages,
        the_number_of_keys_is_limited,
        a_key_can_be_on_ten_usage_plans,
        usage_counts_per_plan_and_key,
        usage_adds_up_the_days_asked_for,
        too_many_calls_are_told_how_long_to_wait,
        others_leave_room_for_a_part_of_the_calls,
        ;
    cognito:
        a_user_is_read_by_user_name,
        an_unknown_or_deleted_user_is_none,
        a_user_name_can_belong_to_another_sub_by_now,
        a_sub_is_a_user_name_for_local_users,
        a_sub_is_no_user_name_for_federated_users,
        a_user_name_can_be_anothers_sub,
        an_address_is_told_once_it_is_verified,
        list_users_finds_by_sub,
        list_users_finds_by_email,
        list_users_may_lag,
        a_page_has_at_most_60_users,
        a_listing_tells_who_is_confirmed,
        a_disabled_user_is_seen_disabled,
        attributes_read_back_as_written,
        an_absent_attribute_reads_back_as_none,
        an_undefined_attribute_is_invalid,
        an_attribute_must_be_mutable_to_be_written,
        a_value_has_at_most_2048_characters,
        writing_for_an_unknown_user_is_not_found,
        ;
    ledger:
        a_claim_is_refused_while_a_lease_lives,
        one_of_two_claims_at_once_is_taken,
        a_claim_makes_the_account,
        a_claim_tells_whether_it_found_the_account_open,
        the_epoch_fences_a_commit,
        a_commit_without_a_claim_is_fenced,
        a_commit_writes_everything_at_once,
        a_link_that_is_taken_moves_nothing,
        a_released_link_is_an_operators_to_give,
        links_and_records_take_any_customers_id,
        a_key_tells_whose_it_is_and_was,
        a_lost_response_is_recognised_by_commit_id,
        a_newer_catalog_is_not_overruled,
        a_newer_catalog_is_named_before_a_lost_claim,
        history_is_never_overwritten,
        history_comes_newest_first,
        reads_see_the_last_write,
        a_record_keeps_its_first_outcome,
        an_account_once_known_is_not_forgotten,
        two_records_of_one_event_count_twice,
        what_cannot_be_read_is_kept_as_it_came,
        what_cannot_be_read_takes_no_envelope_away,
        what_was_handled_since_is_not_parked,
        waiting_and_parked_events_are_found_by_customer,
        unsettled_events_come_in_pages,
        accounts_are_due_when_their_time_has_come,
        due_accounts_come_in_pages,
        whoever_does_not_commit_is_due_after_the_lease,
        the_stacks_own_item_has_one_writer_at_a_time,
        what_is_being_bought_has_one_writer_at_a_time,
        a_counter_stops_at_its_limit,
        what_was_used_has_one_writer_at_a_time,
        all_accounts_come_in_pages_as_last_written,
        a_foreign_page_is_invalid,
        ;
    sqs:
        a_message_is_the_envelope_with_its_group,
        groups_and_deduplication_ids_are_words,
        a_group_comes_in_the_order_in_which_it_was_sent,
        duplicates_within_five_minutes_are_swallowed,
        a_replay_is_no_duplicate,
        many_messages_go_ten_to_a_call,
        a_group_is_blocked_while_in_flight,
        what_is_not_deleted_comes_back,
        a_message_received_too_often_is_a_dead_letter,
        a_queue_that_is_down_is_unavailable,
        a_queue_that_is_missing_is_a_wrong_configuration,
        ;
    stripe:
        a_key_tells_whose_it_is_if_it_may,
        subscriptions_without_canceled_ones,
        a_subscription_tells_what_it_sells,
        subscriptions_are_found_on_every_page,
        all_subscriptions_come_in_pages,
        who_is_on_a_test_clock_is_listed_by_customer_alone,
        a_missing_customer_is_told_from_one_without_subscriptions,
        a_deleted_customer_is_read_as_deleted,
        a_deleted_customer_can_be_used_for_nothing,
        periods_stand_on_items,
        a_cancellation_is_planned_in_two_ways,
        past_due_tells_when_its_invoice_was_final,
        paid_invoices_tell_what_they_were_for,
        a_balance_pays_too,
        a_refund_leaves_the_invoice_paid,
        what_was_not_charged_is_not_refunded,
        an_item_tells_how_many,
        a_sent_invoice_is_past_due_on_its_due_date,
        a_trial_is_trialing,
        a_trial_without_a_card_can_end_in_a_pause,
        paused_collection_keeps_the_status,
        paused_collection_tells_what_becomes_of_invoices,
        a_first_payment_has_23_hours,
        a_dispute_has_its_charges_customer,
        a_dispute_is_read_as_it_stands,
        disputes_are_listed_with_their_charges_customers,
        an_inquiry_moves_no_money,
        an_unknown_dispute_or_charge_is_missing,
        a_subscription_is_read_by_its_id_whatever_its_status,
        cancelling_twice_is_no_error,
        an_expired_subscription_is_cancelled_without_error,
        a_lookup_key_moves,
        a_lookup_key_is_taken_literally,
        a_lookup_key_finds_no_archived_price,
        a_metered_price_takes_no_quantity,
        a_row_that_cannot_be_read_costs_that_row,
        what_an_item_sells_may_not_be_said,
        a_customer_is_made_once_for_a_key,
        a_customer_names_its_account,
        a_checkout_carries_account_and_proof,
        a_completed_checkout_may_not_be_paid_yet,
        a_declined_card_leaves_the_checkout_open,
        a_payment_links_reference_is_the_visitors,
        checkouts_come_newest_first_on_every_page,
        an_idempotency_key_replays,
        an_idempotency_key_replays_errors_too,
        an_idempotency_key_is_for_one_request,
        an_idempotency_key_in_use_is_waited_for,
        recent_checkouts_tell_what_they_led_to,
        the_newest_twenty_checkouts_are_recent,
        an_idempotency_key_has_at_most_255_characters,
        what_a_parameter_names_must_exist,
        a_checkout_expires_once_and_without_error,
        a_checkout_expires_by_itself_after_a_day,
        a_portal_opens_for_a_customer,
        a_portal_needs_settings_that_were_saved,
        a_portal_flow_is_for_one_thing,
        a_schedule_tells_what_comes_next,
        what_the_portal_cannot_change_is_told,
        a_customer_pays_in_one_currency_at_a_time,
        an_endpoint_takes_so_many_requests_a_second,
        an_id_may_be_one_that_a_seller_chose,
        events_are_listed_newest_first_in_pages,
        undelivered_events_are_listed_alone,
        an_event_is_read_by_its_id_for_30_days,
        ;
}
