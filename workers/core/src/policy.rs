//! What the seller may choose, with the defaults that suit most.

use jiff::SignedDuration;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use tollgate_events::kind::CHARGE_REFUNDED;
use tollgate_events::stripe::ACTED_ON;

/// What AWS allows everybody in an account and Region together to call API Gateway's control plane, in
/// calls a second, and does not raise.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>
pub const LIMIT: u32 = 10;

/// What becomes of a plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanThen {
    /// It stays, as the subscription's status says.
    #[default]
    Keep,
    /// The subscription does not count.
    End,
}

/// The `[policy]` table of `plans.toml`; every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Days for which a past-due subscription keeps its plan.
    pub grace_days: u32,
    /// Whether one whose trial nobody ever paid anything after has grace too.
    pub grace_after_trial: bool,
    /// What becomes of the plan while collection is paused and invoices are voided.
    pub pause_collection_void: PlanThen,
    /// What becomes of the plan when all that was charged for a subscription's newest paid invoice is
    /// refunded.
    pub on_full_refund: PlanThen,
    /// Days for which a live subscription keeps its plan when its price is not in the catalog any
    /// more.
    pub unknown_price_days: u32,
    /// Whether an open or lost dispute disables the key.
    pub hold_on_dispute: bool,
    /// Whether an inquiry does too (`warning_…`: no money has moved yet).
    pub hold_on_inquiry: bool,
    /// Whether the subscriptions of a deleted user are cancelled.
    pub cancel_when_user_deleted: bool,
    /// Whether a bare `client_reference_id` may link a customer. A payment link's
    /// visitor can set it to anybody's id: leave it off unless your links are private.
    pub trust_payment_links: bool,
    /// Minutes for which an event waits for its customer's link before it is parked.
    pub waiting_minutes: u32,
    /// Days for which a closed account's hold is remembered, so that whoever signs up again with
    /// the same verified e-mail address is held as well; 0 to remember nothing.
    pub remember_days: u32,
    /// How many calls a second all of Tollgate may make to API Gateway's control plane: 1 to 10,
    /// shared as [`budget`](crate::budget) says. AWS allows 10 to all callers of an account and
    /// Region.
    #[serde(deserialize_with = "calls_per_second")]
    pub control_plane_calls_per_second: u32,
    /// How many API keys the account and Region may have (AWS: 10,000, not raised).
    pub key_quota: u32,
    /// How many of them are kept for those who pay: below it, a new free user waits for a key.
    pub key_reserve: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            grace_days: 7,
            grace_after_trial: false,
            pause_collection_void: PlanThen::Keep,
            on_full_refund: PlanThen::Keep,
            unknown_price_days: 7,
            hold_on_dispute: true,
            hold_on_inquiry: false,
            cancel_when_user_deleted: true,
            trust_payment_links: false,
            waiting_minutes: 15,
            remember_days: 365,
            control_plane_calls_per_second: 8,
            key_quota: 10_000,
            key_reserve: 500,
        }
    }
}

/// From 1 to what AWS allows.
fn calls_per_second<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let calls = i64::deserialize(deserializer)?;
    let fits = u32::try_from(calls).ok().filter(|calls| (1..=LIMIT).contains(calls));
    fits.ok_or_else(|| {
        D::Error::custom(format!(
            "{calls} calls a second to API Gateway's control plane; choose 1 to {LIMIT}: AWS \
             allows {LIMIT} to everybody in the account and Region, your own deployments included"
        ))
    })
}

impl Policy {
    /// How long a past-due subscription keeps its plan.
    pub fn grace(&self) -> SignedDuration {
        days(self.grace_days)
    }

    /// How long a live subscription keeps its plan whose price is not in the catalog any more.
    pub fn unknown_price(&self) -> SignedDuration {
        days(self.unknown_price_days)
    }

    /// The types of events that Stripe is to send: of refunds nobody need know where they change
    /// nothing.
    pub fn event_types(&self) -> Vec<&'static str> {
        let refunds = self.on_full_refund == PlanThen::End;
        ACTED_ON.iter().copied().filter(|kind| refunds || *kind != CHARGE_REFUNDED).collect()
    }

    /// How long an event waits for its customer's link.
    pub fn waiting(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.waiting_minutes))
    }

    /// For how long a closed account's hold is remembered; `None` when nothing ever is.
    pub fn remembered_for(&self) -> Option<SignedDuration> {
        (self.remember_days > 0).then(|| days(self.remember_days))
    }
}

fn days(days: u32) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(days))
}

/// How many second looks there are.
pub const SECOND_LOOKS: u8 = 3;

/// How many events may wait in an account: its item must stay small (DynamoDB takes 400 KB,
/// an envelope is at most 8 KB), and its commit within one transaction. More stay on the queue.
pub const MOST_DEFERRED: usize = 40;

/// Sweeps, replays and catalog changes may take a paid plan from this many accounts a day, or
/// from [`BLAST_PERCENT`] of those that pay, whichever is more; then they stop.
pub const BLAST_AT_LEAST: u64 = 10;

/// See [`BLAST_AT_LEAST`].
pub const BLAST_PERCENT: u64 = 1;
