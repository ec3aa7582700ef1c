//! What an account's owner is buying: one row for each account, which is lock, limit and key.
//!
//! A click either joins the attempt under way or begins another. Who writes the row first wins;
//! two clicks at once read the same nonce, so that they ask Stripe for the same. Every
//! idempotency key is made from the nonce: a new attempt is a new key, and no answer of a past
//! world comes again. Stripe keeps the first answer to a key, errors too, for at least 24 hours.
//! <https://docs.stripe.com/api/idempotent_requests>
//!
//! Pure: the account API reads and writes the row.

use crate::timing::{ATTEMPT_LASTS, OPEN_FOR};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tollgate_events::{AccountId, CustomerId, digest};

use crate::account::OfferId;

/// How often an owner may ask for a checkout within an hour: a person in several windows, whose
/// cards are declined.
pub const MOST_CLICKS: u32 = 30;

/// What the clicks are counted over.
const AN_HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// Raised by every write, and the condition of the next: 0 for none yet.
    pub revision: u64,
    /// Who is to pay. They stay known when the attempt is over, and that is no link.
    #[serde(default)]
    pub customer: Option<CustomerId>,
    /// What is being bought.
    #[serde(default)]
    pub attempt: Option<Attempt>,
    /// Since when clicks are counted.
    pub since: Timestamp,
    /// How many there were.
    pub clicks: u32,
    /// When the last one was.
    pub at: Timestamp,
}

/// An attempt to buy one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What its idempotency keys are made from.
    pub nonce: String,
    /// What is bought.
    pub offer: OfferId,
    /// The Checkout session that was handed out.
    #[serde(default)]
    pub session: Option<String>,
    /// When it began.
    pub since: Timestamp,
}

/// There were too many clicks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooOften {
    /// When there may be another.
    pub after: SignedDuration,
}

impl Purchase {
    /// One more click: what to write. It joins the attempt under way if that is for the same
    /// offer; else it begins another, with this nonce.
    ///
    /// # Errors
    /// There have been too many within the hour.
    pub fn click(self, offer: &OfferId, nonce: &str, now: Timestamp) -> Result<Self, TooOften> {
        let mut next = Self { at: now, ..self };
        let passed = now.duration_since(next.since);
        if passed >= AN_HOUR || next.revision == 0 {
            (next.since, next.clicks) = (now, 0);
        } else if next.clicks >= MOST_CLICKS {
            return Err(TooOften { after: AN_HOUR - passed });
        }
        next.clicks += 1;
        let goes_on =
            |it: &Attempt| it.offer == *offer && now.duration_since(it.since) < ATTEMPT_LASTS;
        if !next.attempt.as_ref().is_some_and(goes_on) {
            next.begin(offer, nonce, now);
        }
        Ok(next)
    }

    /// Another attempt, for the last one has ended.
    pub fn begin(&mut self, offer: &OfferId, nonce: &str, now: Timestamp) {
        let (nonce, offer) = (nonce.to_owned(), offer.clone());
        self.attempt = Some(Attempt { nonce, offer, session: None, since: now });
    }

    /// Who may still have an open session of ours.
    pub fn may_pay(&self, now: Timestamp) -> Option<&CustomerId> {
        self.customer.as_ref().filter(|_| now.duration_since(self.at) < OPEN_FOR)
    }

    /// Whether this attempt is the one under way.
    pub fn is_at(&self, attempt: &Attempt) -> bool {
        self.attempt.as_ref().is_some_and(|it| it.nonce == attempt.nonce)
    }
}

impl Attempt {
    /// Stripe's idempotency key for one request of this attempt: `what` has all its parameters,
    /// so that no two requests have one key.
    pub fn key(&self, stack: &str, account: &AccountId, what: &[&str]) -> String {
        // None of them has a line break: what stands between two is no part of one.
        let what = what.join("\n");
        digest(&format!("{stack}\n{account}\n{}\n{what}", self.nonce))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn offer(id: &str) -> OfferId {
        OfferId::parse(id).unwrap()
    }

    /// A click as it is written.
    fn click(row: &Purchase, offer: &str, nonce: &str, seconds: i64) -> Purchase {
        let next = row.clone().click(&self::offer(offer), nonce, at(seconds)).unwrap();
        Purchase { revision: next.revision + 1, ..next }
    }

    fn nonce(row: &Purchase) -> &str {
        &row.attempt.as_ref().unwrap().nonce
    }

    #[test]
    fn a_click_joins_the_attempt_for_the_same_offer_within_its_time() {
        let first = click(&Purchase::default(), "pro", "a", 0);
        assert_eq!(nonce(&first), "a");
        assert_eq!(nonce(&click(&first, "pro", "b", 60)), "a");
        assert_eq!(nonce(&click(&first, "basic", "b", 60)), "b", "the offer has changed");
        assert_eq!(
            click(&first, "pro", "b", 60).at,
            at(60),
            "the row is kept from the last one on"
        );
        let hours = |hours: i64| hours * 3600;
        assert_eq!(nonce(&click(&first, "pro", "b", hours(23) - 1)), "a");
        assert_eq!(nonce(&click(&first, "pro", "b", hours(23))), "b");
        let failed = Purchase { attempt: None, ..first };
        assert_eq!(nonce(&click(&failed, "pro", "b", 60)), "b", "it has failed");
    }

    #[test]
    fn who_has_clicked_may_pay_for_a_day() {
        let customer = CustomerId::parse("cus_1").ok();
        let row = Purchase { customer, ..click(&Purchase::default(), "pro", "a", 0) };
        assert_eq!(row.may_pay(at(24 * 3600)), row.customer.as_ref());
        assert_eq!(row.may_pay(at(25 * 3600)), None);
        assert_eq!(Purchase { customer: None, ..row }.may_pay(at(0)), None);
    }

    #[test]
    fn clicks_are_counted_over_an_hour_whatever_they_are_for() {
        let mut row = Purchase::default();
        for n in 0..i64::from(MOST_CLICKS) {
            row = click(&row, if n % 2 == 0 { "pro" } else { "basic" }, "a", n);
        }
        let refused = row.clone().click(&offer("pro"), "b", at(600));
        assert_eq!(refused, Err(TooOften { after: SignedDuration::from_mins(50) }));
        assert_eq!(click(&row, "pro", "b", 3600).clicks, 1);
    }

    #[test]
    fn a_key_names_the_stack_the_account_the_attempt_and_what_is_asked_for() {
        let key = |stack: &str, account: &str, nonce: &str, what: &[&str]| {
            let mut row = Purchase::default();
            row.begin(&offer("pro"), nonce, at(0));
            row.attempt.unwrap().key(stack, &AccountId::parse(account).unwrap(), what)
        };
        let keys = [
            key("shop", "ann", "a", &["customer"]),
            key("staging", "ann", "a", &["customer"]),
            key("shop", "ben", "a", &["customer"]),
            key("shop", "ann", "b", &["customer"]),
            key("shop", "ann", "a", &["customer", "1"]),
        ];
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
        assert_eq!(keys[0], key("shop", "ann", "a", &["customer"]));
        assert!(keys.iter().all(|key| key.len() <= 255));
    }
}
