//! What an account's owner reads of a decision: no ids, no words of ours.
//!
//! Operators read the [`Reason`] itself, which names what can be looked up.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::account::{PlanId, Reason};
use crate::text::one_line;

/// Why the account has what it has: a sentence. `plan` is the one that it has, `renews` when its
/// subscription does, if that is known.
pub fn for_owner(reason: &Reason, plan: Option<&PlanId>, renews: Option<Timestamp>) -> String {
    let plan = plan.map_or_else(|| "your plan".to_owned(), name);
    match reason {
        Reason::New => "Your account is being set up.".to_owned(),
        Reason::DefaultPlan => format!("You have {plan}, which costs nothing."),
        Reason::NoPlan => "You have no plan. Choose one to get access.".to_owned(),
        Reason::Subscription { .. } => match renews {
            Some(at) => format!("You pay for {plan}; it renews on {}.", day(at)),
            None => format!("You pay for {plan}."),
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

/// A plan by its id, as a name: `pro` is Pro.
fn name(plan: &PlanId) -> String {
    capital(plan.as_str())
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

/// `28 December 2026`, in UTC.
fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%-d %B %Y").to_string()
}

fn until_day(at: Option<Timestamp>) -> String {
    at.map(|at| format!(" until {}", day(at))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tollgate_events::{DisputeId, PriceId, SubscriptionId};

    use super::*;

    #[test]
    fn an_owner_reads_one_line_whatever_was_written() {
        let why = "x\nYour account is fine.\u{1b}[2K\u{202e}".to_owned();
        for reason in [
            Reason::OperatorHold { why: why.clone() },
            Reason::ClosedByOperator { why: why.clone() },
        ] {
            let told = for_owner(&reason, None, None);
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
            assert_eq!(for_owner(&reason, Some(&pro), None), told);
            let without = for_owner(&reason, None, None);
            assert!(!without.contains('_') && !without.contains("your plan was"), "{without}");
        }
        let pays = Reason::Subscription { subscription };
        let pro = PlanId::parse("pro").unwrap();
        let told = "You pay for Pro; it renews on 28 December 2026.";
        assert_eq!(for_owner(&pays, Some(&pro), until), told);
    }
}
