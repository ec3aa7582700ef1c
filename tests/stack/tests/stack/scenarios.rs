//! One story for each row of the table of decisions. Each is played over HTTP and ends
//! with the invariants, and each is played twice: while all is calm, and under faults,
//! where what Tollgate asks of AWS and Stripe is throttled, fails, is cut off, or is
//! done without an answer (`docs/contract.md`).
//!
//! `faulty` brings what really comes again: SQS's messages, Stripe's deliveries, a person's
//! request that was answered with 503. The end must be the same.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tokio::sync::OnceCell;

use tollgate_local::faults::{Fault, Faults, Tally};

use crate::shop::{Conditions, Told};
use tollgate_standin::calls::Service;

mod disputes;
mod legacy_ids;
mod links;
mod purchases;
mod subscriptions;
mod users;
mod webhooks;

/// Two tests for each story, and one over all of them.
macro_rules! stories {
    ($($group:ident: $($story:ident,)+;)+) => {
        mod calm {
            $(mod $group {
                $(#[tokio::test]
                async fn $story() -> crate::shop::Told {
                    crate::scenarios::$group::$story(crate::shop::Conditions::Calm).await
                })+
            })+
        }

        mod faulty {
            $(mod $group {
                $(#[tokio::test]
                async fn $story() {
                    use crate::scenarios::{$group, play};
                    let name = concat!(stringify!($group), "::", stringify!($story));
                    let met = play(name, $group::$story).await;
                    assert!(met.values().sum::<usize>() >= FEWEST, "{met:?}");
                })+

                use crate::scenarios::FEWEST;
            })+
        }

        /// What all stories together met.
        async fn all_together() -> Tally {
            let mut all = Tally::new();
            $($(
                let name = concat!(stringify!($group), "::", stringify!($story));
                for (what, times) in play(name, $group::$story).await {
                    *all.entry(what).or_default() += times;
                }
            )+)+
            all
        }
    };
}

/// How many faults a story meets at least: else playing it under faults shows nothing.
const FEWEST: usize = 3;

/// Plays a story under faults, once for all that ask; what it met.
async fn play(name: &'static str, story: impl AsyncFn(Conditions) -> Told) -> Tally {
    type Played = Arc<OnceCell<Result<Tally, String>>>;
    static PLAYED: LazyLock<Mutex<BTreeMap<&'static str, Played>>> = LazyLock::new(Mutex::default);
    let played =
        PLAYED.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default().clone();
    let told = played.get_or_init(async || {
        let faults = Faults::seeded(seed(name));
        // Boxed: whoever plays them all has the future of each story inside.
        let told = Box::pin(story(Conditions::Faulty(faults.clone()))).await;
        told.map(|()| faults.tally()).map_err(|error| format!("{error:#}"))
    });
    match told.await {
        Ok(tally) => tally.clone(),
        Err(error) => panic!("{name}: {error}"),
    }
}

/// A seed of a story's own, which no other story can change.
fn seed(name: &str) -> u64 {
    name.bytes().fold(0, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

/// No fault is only in theory.
#[tokio::test]
async fn over_the_stories_every_service_meets_every_fault() {
    let met = all_together().await;
    let services =
        [Service::Stripe, Service::ApiGateway, Service::Cognito, Service::DynamoDb, Service::Sqs];
    for service in services {
        for fault in Fault::of(service) {
            let times = met.get(&(service, *fault)).copied().unwrap_or_default();
            assert!(times > 0, "{service} never met {fault:?}: {met:?}");
        }
    }
}

stories! {
    disputes:
        a_dispute_holds_the_key_until_it_is_won,
        a_lost_dispute_holds_the_key_for_good,
        an_inquiry_and_a_fraud_warning_change_nothing,
        ;
    legacy_ids:
        a_customer_of_long_ago_is_served_like_anybody,
        ;
    links:
        of_two_checkouts_the_best_wins,
        who_was_deleted_in_stripe_can_buy_again,
        an_unknown_customer_waits_is_parked_and_is_applied_when_linked,
        a_payment_link_with_another_ones_id_moves_nothing,
        ;
    purchases:
        whoever_clicks_twice_pays_once,
        a_bank_debit_under_way_has_an_invoice_to_pay,
        what_stripe_will_not_do_is_told_as_such,
        another_currency_is_told_as_such,
        a_loop_is_told_so_and_nobody_else,
        two_subscriptions_are_told_everywhere_and_left,
        ;
    subscriptions:
        a_trial_and_a_paid_month_have_the_plan,
        who_pays_reads_when_it_renews,
        a_planned_end_comes_on_time_though_nobody_tells,
        a_planned_end_comes_on_time_though_its_event_is_late,
        grace_is_counted_from_the_first_failure,
        a_retry_that_succeeds_ends_the_grace,
        when_the_retries_are_over_the_plan_is_not_counted,
        a_first_payment_counts_when_it_arrives,
        a_paused_subscription_is_not_counted,
        paused_collection_leaves_the_plan,
        an_unknown_price_keeps_the_last_plan_loudly,
        ;
    users:
        a_disabled_user_has_a_disabled_key,
        a_deleted_user_leaves_a_tombstone,
        users_may_delete_themselves,
        a_user_who_is_missing_twice_is_gone,
        a_lost_sign_up_is_caught_up_at_the_next_sign_in,
        a_federated_user_has_a_key,
        a_user_whom_an_administrator_made_has_a_key_after_signing_in,
        ;
    webhooks:
        an_event_that_the_queue_did_not_take_comes_again,
        an_old_endpoint_is_understood,
        ;
}
