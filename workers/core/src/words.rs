//! What an account's owner reads of a decision: no ids, no words of ours.
//!
//! Operators read the [`Reason`] itself, which names what can be looked up.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use crate::account::{Access, NextOffer, PlanId, Reason, SubscriptionSeen};
use crate::text::one_line;

/// Why the account has what it has, for its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OwnerReason {
    /// For programs; stable.
    pub code: ReasonCode,
    /// A sentence.
    pub text: String,
    /// Until when it is so, where that is known.
    #[schema(required)]
    pub until: Option<Timestamp>,
    /// What the owner can do about it.
    #[schema(required)]
    pub action: Option<OwnerAction>,
}

/// Why, in one word for programs. A release may add some, and changes or drops none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// Nothing is decided yet.
    New,
    /// Nothing is paid for: the default plan.
    DefaultPlan,
    /// Nothing is paid for, and there is no default plan.
    NoPlan,
    /// A subscription.
    Subscription,
    /// A subscription that changes to another offer at a known time.
    Changing,
    /// A subscription that ends at a known time.
    Ending,
    /// A payment failed, and the plan stays for some days.
    Grace,
    /// What is paid for is not sold any more, and the plan stays for some days.
    UnknownPrice,
    /// The seller has given it.
    Grant,
    /// A payment is disputed: the key is off.
    Dispute,
    /// The seller holds the account: the key is off.
    OperatorHold,
    /// The seller has closed the account.
    ClosedByOperator,
    /// No key is left to be given for now.
    KeysRunOut,
    /// The sign-in is disabled: the key is off.
    UserDisabled,
    /// The sign-in was not found; nothing changes for now.
    UserMissing,
    /// The sign-in was deleted.
    UserDeleted,
}

/// What an owner can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OwnerAction {
    /// Choose a plan.
    ChoosePlan,
    /// Pay, or give another card, in the portal.
    UpdatePayment,
    /// Ask the seller.
    ContactSeller,
}

/// Why the account has what it has. `subscription` is the one that gives the plan, if that is known.
pub fn for_owner(access: &Access, subscription: Option<&SubscriptionSeen>) -> OwnerReason {
    use OwnerAction::{ChoosePlan, ContactSeller, UpdatePayment};
    let (code, until, action) = match &access.reason {
        Reason::New => (ReasonCode::New, None, None),
        Reason::DefaultPlan => (ReasonCode::DefaultPlan, None, None),
        Reason::NoPlan => (ReasonCode::NoPlan, None, Some(ChoosePlan)),
        Reason::Subscription { .. } => match subscription.and_then(|it| it.next.as_ref()) {
            Some(next) => (ReasonCode::Changing, next.at, None),
            None => (ReasonCode::Subscription, None, None),
        },
        Reason::Ending { at, .. } => (ReasonCode::Ending, Some(*at), None),
        Reason::Grace { until, .. } => (ReasonCode::Grace, Some(*until), Some(UpdatePayment)),
        Reason::UnknownPrice { until, .. } => (ReasonCode::UnknownPrice, *until, None),
        Reason::Grant { until } => (ReasonCode::Grant, *until, None),
        Reason::Dispute { .. } => (ReasonCode::Dispute, None, Some(ContactSeller)),
        Reason::OperatorHold { .. } => (ReasonCode::OperatorHold, None, Some(ContactSeller)),
        Reason::ClosedByOperator { .. } => {
            (ReasonCode::ClosedByOperator, None, Some(ContactSeller))
        }
        Reason::KeysRunOut => (ReasonCode::KeysRunOut, None, None),
        Reason::UserDisabled => (ReasonCode::UserDisabled, None, Some(ContactSeller)),
        Reason::UserMissing => (ReasonCode::UserMissing, None, None),
        Reason::UserDeleted => (ReasonCode::UserDeleted, None, None),
    };
    let text = sentence(&access.reason, access.plan.as_ref(), subscription);
    OwnerReason { code, text, until, action }
}

fn sentence(
    reason: &Reason,
    plan: Option<&PlanId>,
    subscription: Option<&SubscriptionSeen>,
) -> String {
    let plan = plan.map_or_else(|| "your plan".to_owned(), name);
    match reason {
        Reason::New => "Your account is being set up.".to_owned(),
        Reason::DefaultPlan => format!("You have {plan}, which costs nothing."),
        Reason::NoPlan => "You have no plan. Choose one to get access.".to_owned(),
        Reason::Subscription { .. } => match subscription {
            Some(SubscriptionSeen { next: Some(next), .. }) => changing(&plan, next),
            Some(SubscriptionSeen { trial_ends_at: Some(at), .. }) => {
                format!("You try {plan} until {}; then you pay for it.", day(*at))
            }
            Some(SubscriptionSeen { renews_at: Some(at), .. }) => {
                format!("You pay for {plan}; it renews on {}.", day(*at))
            }
            _ => format!("You pay for {plan}."),
        },
        Reason::Ending { at, .. } => format!("You have {plan} until {}; then it ends.", day(*at)),
        Reason::Grace { until, .. } => {
            format!("Your payment for {plan} failed. Pay by {} to keep it.", day(*until))
        }
        Reason::UnknownPrice { until, .. } => {
            format!("You keep {plan}{}: its price is not offered any more.", until_day(*until))
        }
        Reason::Grant { until } => {
            format!("{} was given to you{}.", capital(&plan), until_day(*until))
        }
        Reason::Dispute { .. } => {
            "A payment of yours is disputed. Your key is off until that is settled.".to_owned()
        }
        Reason::OperatorHold { why } => format!("Your account is on hold: {}", one_line(why)),
        Reason::ClosedByOperator { why } => format!("Your account is closed: {}", one_line(why)),
        Reason::KeysRunOut => "You are in the queue for a key; you get one by itself.".to_owned(),
        Reason::UserDisabled => "Your sign-in is disabled, and your key with it.".to_owned(),
        Reason::UserMissing => {
            "Your sign-in could not be found; nothing changes for now.".to_owned()
        }
        Reason::UserDeleted => "Your account is closed: its sign-in was deleted.".to_owned(),
    }
}

/// What a subscription changes to: another plan, or another offer of the same.
fn changing(plan: &str, next: &NextOffer) -> String {
    let on = next.at.map_or("when the period ends".to_owned(), |at| format!("on {}", day(at)));
    match next.plan.as_ref().map(name) {
        Some(next) if next != plan => match on.strip_prefix("on ") {
            Some(day) => format!("You have {plan} until {day}, then {next}."),
            None => format!("You have {plan}; {on}, it changes to {next}."),
        },
        _ => format!("You have {plan}; {on}, what you pay for changes."),
    }
}

/// A plan by its id, as a name: `pro` is Pro.
pub(crate) fn name(plan: &PlanId) -> String {
    capital(plan.as_str())
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

/// `28 December 2026`, in UTC.
pub(crate) fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%-d %B %Y").to_string()
}

fn until_day(at: Option<Timestamp>) -> String {
    at.map(|at| format!(" until {}", day(at))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tollgate_events::{DisputeId, PriceId, SubscriptionId};

    use super::*;
    use crate::account::ManagedBy;

    #[test]
    fn an_owner_reads_one_line_whatever_was_written() {
        let why = "x\nYour account is fine.\u{1b}[2K\u{202e}".to_owned();
        for reason in [
            Reason::OperatorHold { why: why.clone() },
            Reason::ClosedByOperator { why: why.clone() },
        ] {
            let told = sentence(&reason, None, None);
            assert!(told.ends_with(r"x\u{a}Your account is fine.\u{1b}[2K\u{202e}"), "{told}");
            assert!(reason.to_string().ends_with(r"fine.\u{1b}[2K\u{202e}"), "{reason}");
        }
    }

    #[test]
    fn an_owner_reads_sentences_without_ids() {
        let at: Timestamp = "2026-12-28T23:59:59Z".parse().unwrap();
        let subscription = SubscriptionId::parse("sub_1").unwrap();
        let price = PriceId::parse("price_1").unwrap();
        let dispute = DisputeId::parse("dp_1").unwrap();
        let why = "see ticket 7".to_owned();
        let (sub, until) = (|| subscription.clone(), Some(at));
        let unknown = |until| Reason::UnknownPrice { price: price.clone(), until };
        for (reason, told) in [
            (Reason::New, "Your account is being set up."),
            (Reason::DefaultPlan, "You have Pro, which costs nothing."),
            (Reason::NoPlan, "You have no plan. Choose one to get access."),
            (Reason::Subscription { subscription: sub() }, "You pay for Pro."),
            (
                Reason::Ending { subscription: sub(), at },
                "You have Pro until 28 December 2026; then it ends.",
            ),
            (
                Reason::Grace { subscription: sub(), until: at },
                "Your payment for Pro failed. Pay by 28 December 2026 to keep it.",
            ),
            (
                unknown(until),
                "You keep Pro until 28 December 2026: its price is not offered any more.",
            ),
            (unknown(None), "You keep Pro: its price is not offered any more."),
            (Reason::Grant { until }, "Pro was given to you until 28 December 2026."),
            (Reason::Grant { until: None }, "Pro was given to you."),
            (
                Reason::Dispute { dispute },
                "A payment of yours is disputed. Your key is off until that is settled.",
            ),
            (Reason::OperatorHold { why: why.clone() }, "Your account is on hold: see ticket 7"),
            (Reason::ClosedByOperator { why }, "Your account is closed: see ticket 7"),
            (Reason::KeysRunOut, "You are in the queue for a key; you get one by itself."),
            (Reason::UserDisabled, "Your sign-in is disabled, and your key with it."),
            (Reason::UserMissing, "Your sign-in could not be found; nothing changes for now."),
            (Reason::UserDeleted, "Your account is closed: its sign-in was deleted."),
        ] {
            let pro = PlanId::parse("pro").unwrap();
            assert_eq!(sentence(&reason, Some(&pro), None), told);
            let without = sentence(&reason, None, None);
            assert!(!without.contains('_') && !without.contains("your plan was"), "{without}");
        }
        let pays = Reason::Subscription { subscription };
        let pro = PlanId::parse("pro").unwrap();
        let seen = |renews_at, trial_ends_at| SubscriptionSeen {
            offer: None,
            renews_at,
            ends_at: None,
            trial_ends_at,
            next: None,
            managed_by: ManagedBy::Customer,
        };
        let next = |plan: &str, at| {
            let plan = PlanId::parse(plan).ok();
            let next = Some(NextOffer { offer: None, plan, at });
            SubscriptionSeen { next, ..seen(until, None) }
        };
        for (seen, told) in [
            (seen(until, None), "You pay for Pro; it renews on 28 December 2026."),
            (seen(until, until), "You try Pro until 28 December 2026; then you pay for it."),
            (seen(None, None), "You pay for Pro."),
            (next("basic", until), "You have Pro until 28 December 2026, then Basic."),
            (next("basic", None), "You have Pro; when the period ends, it changes to Basic."),
            (next("pro", until), "You have Pro; on 28 December 2026, what you pay for changes."),
            (next("", until), "You have Pro; on 28 December 2026, what you pay for changes."),
        ] {
            assert_eq!(sentence(&pays, Some(&pro), Some(&seen)), told);
        }
    }
}
