//! Why a request is refused, in the owner's words and in one for programs.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ports::{Class, PortError};
use crate::words::day;

/// Why a request is refused. The texts are for the owner, and say what heals it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No account, or no key yet.
    #[error("your account is still being set up; try again in a moment")]
    NotReady,
    /// The account is held.
    #[error("your account is on hold; please contact us")]
    Held,
    /// The account is closed.
    #[error("your account is closed; please contact us")]
    Closed,
    /// Neither an offer nor a plan.
    #[error("nothing called `{0}` is sold here")]
    UnknownOffer(String),
    /// Not sold through Checkout.
    #[error("`{0}` cannot be bought")]
    NotForSale(String),
    /// It is what they have.
    #[error("this is what you have already")]
    SameOffer,
    /// A change or the end of the subscription is on its way.
    #[error("{}", scheduled(*.ends, *.at))]
    ChangeScheduled {
        /// Whether it is the end.
        ends: bool,
        /// When, where that is known.
        at: Option<Timestamp>,
    },
    /// The portal cannot change what the seller has made, nor what sells several things.
    #[error("your subscription cannot be changed here; please ask us to change it")]
    ChangeBySeller,
    /// What they have is not paid for: first that.
    #[error("your last payment has failed; pay it first, or give another card")]
    PaymentFailed {
        /// Where it can be paid.
        invoice: Option<String>,
    },
    /// What was bought is not paid yet, or not seen yet.
    #[error("your payment is being processed; this can take some days with a bank debit")]
    PaymentProcessing {
        /// Where it can be paid in another way, should it fail.
        invoice: Option<String>,
    },
    /// Another window of theirs is at it.
    #[error("you have opened another checkout at the same time; go on there, or try again")]
    OtherWindow,
    /// Too many of these requests of one account.
    #[error("you have asked for this too often; try again later")]
    TooMany {
        /// When.
        after: SignedDuration,
    },
    /// Another page than those that may be returned to.
    #[error("`return_url` is on none of the origins that this API lets return to")]
    ReturnNotAllowed,
    /// The account has no such key.
    #[error("you have no key of this name")]
    NoSuchSlot,
    /// Nothing was ever bought.
    #[error("you have not bought anything yet")]
    NothingBought,
    /// All owners together have asked for more than may be asked of API Gateway.
    #[error("many people are asking at the moment; please try again in a few seconds")]
    Busy,
    /// Stripe refuses, and would again: something has to be set up first.
    #[error("this is not possible at the moment; we have been told, and will look into it")]
    Rejected(PortError),
    /// A system is down.
    #[error("something went wrong on our side; please try again")]
    Unavailable(#[from] PortError),
}

/// What a problem is called, for whoever programs against the account API. Stable: a release may
/// add some, and changes or drops none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// No ID token of the pool, or another kind of token.
    IdTokenRequired,
    /// The request cannot be read.
    Invalid,
    /// No such route.
    NotFound,
    /// The account, or its key, is being made.
    NotReady,
    /// The account is held.
    Held,
    /// The account is closed.
    Closed,
    /// No such offer or plan.
    UnknownOffer,
    /// It is not sold.
    NotForSale,
    /// It is what the account has.
    SameOffer,
    /// A change or the end of the subscription is scheduled: that is taken back in the portal first.
    ChangeScheduled,
    /// The portal cannot change the subscription: the seller can.
    ChangeBySeller,
    /// What was bought is not paid yet.
    PaymentProcessing,
    /// What the account has is not paid for.
    PaymentFailed,
    /// Two windows buy at once.
    OtherWindow,
    /// The browser may not be sent back there.
    ReturnNotAllowed,
    /// The account has no such key.
    NoSuchSlot,
    /// Nothing was ever bought.
    NothingBought,
    /// The seller has something to set up.
    NotConfigured,
    /// One account asks too often.
    TooManyRequests,
    /// A system is down, or everybody asks at once.
    Unavailable,
}

impl ProblemCode {
    /// What it is, whatever the request was.
    pub fn title(self) -> &'static str {
        match self {
            Self::IdTokenRequired => "Sign in first",
            Self::Invalid => "The request cannot be read",
            Self::NotFound => "There is nothing here",
            Self::NotReady => "Your account is being set up",
            Self::Held => "Your account is on hold",
            Self::Closed => "Your account is closed",
            Self::UnknownOffer => "There is no such plan",
            Self::NotForSale => "This plan cannot be bought",
            Self::SameOffer => "You have this already",
            Self::ChangeScheduled => "A change is scheduled already",
            Self::ChangeBySeller => "We have to change this for you",
            Self::PaymentProcessing => "Your payment is being processed",
            Self::PaymentFailed => "Your last payment has failed",
            Self::OtherWindow => "Another window is buying too",
            Self::ReturnNotAllowed => "The browser may not be sent back there",
            Self::NoSuchSlot => "There is no such key",
            Self::NothingBought => "You have not bought anything yet",
            Self::NotConfigured => "This is not possible at the moment",
            Self::TooManyRequests => "You have asked too often",
            Self::Unavailable => "Something went wrong on our side",
        }
    }

    /// The status of an answer that has it. What a program may repeat as it is has 429 or 503, and
    /// says when.
    pub fn status(self) -> u16 {
        match self {
            Self::Invalid | Self::ReturnNotAllowed => 400,
            Self::IdTokenRequired => 401,
            Self::Held | Self::Closed => 403,
            Self::NotFound | Self::UnknownOffer | Self::NoSuchSlot | Self::NothingBought => 404,
            Self::NotForSale
            | Self::SameOffer
            | Self::ChangeScheduled
            | Self::ChangeBySeller
            | Self::PaymentProcessing
            | Self::PaymentFailed
            | Self::OtherWindow
            | Self::NotConfigured => 409,
            Self::TooManyRequests => 429,
            Self::NotReady | Self::Unavailable => 503,
        }
    }
}

impl Refusal {
    /// Of a page that Stripe does not open: what it finds wrong with our request is wrong the
    /// next time too.
    pub(super) fn of_page(error: PortError) -> Self {
        match error.class {
            Class::Invalid | Class::NotFound => Self::Rejected(error),
            _ => Self::Unavailable(error),
        }
    }

    /// What it is called.
    pub fn code(&self) -> ProblemCode {
        match self {
            Self::NotReady => ProblemCode::NotReady,
            Self::Held => ProblemCode::Held,
            Self::Closed => ProblemCode::Closed,
            Self::UnknownOffer(_) => ProblemCode::UnknownOffer,
            Self::NotForSale(_) => ProblemCode::NotForSale,
            Self::SameOffer => ProblemCode::SameOffer,
            Self::ChangeScheduled { .. } => ProblemCode::ChangeScheduled,
            Self::ChangeBySeller => ProblemCode::ChangeBySeller,
            Self::PaymentProcessing { .. } => ProblemCode::PaymentProcessing,
            Self::PaymentFailed { .. } => ProblemCode::PaymentFailed,
            Self::OtherWindow => ProblemCode::OtherWindow,
            Self::TooMany { .. } => ProblemCode::TooManyRequests,
            Self::ReturnNotAllowed => ProblemCode::ReturnNotAllowed,
            Self::NoSuchSlot => ProblemCode::NoSuchSlot,
            Self::NothingBought => ProblemCode::NothingBought,
            Self::Rejected(_) => ProblemCode::NotConfigured,
            Self::Busy | Self::Unavailable(_) => ProblemCode::Unavailable,
        }
    }

    /// The page of Stripe's on which it can be healed.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::PaymentProcessing { invoice } | Self::PaymentFailed { invoice } => {
                invoice.as_deref()
            }
            _ => None,
        }
    }

    /// After how many seconds it may go otherwise, where that is known.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooMany { after } => {
                u64::try_from(after.as_millis()).ok().map(|millis| millis.div_ceil(1000))
            }
            Self::NotReady | Self::Busy | Self::Unavailable(_) => Some(5),
            _ => None,
        }
    }

    /// What the seller must do where Stripe refuses for good.
    pub fn mend(&self) -> Option<&'static str> {
        let Self::Rejected(error) = self else { return None };
        let told = error.detail.to_lowercase();
        let mends = MENDS.iter().find(|(word, _)| told.contains(word));
        Some(mends.map_or("Stripe's own words say what is wrong", |(_, mend)| mend))
    }
}

/// What stands in the way of another change.
fn scheduled(ends: bool, at: Option<Timestamp>) -> String {
    let on = at.map(|at| format!(" on {}", day(at))).unwrap_or_default();
    if ends {
        return format!("your subscription ends{on}; take that back in the billing portal first");
    }
    format!("your plan changes{on} already; take that back in the billing portal first")
}

/// What Stripe's refusals of our requests have in them, and what mends each.
const MENDS: [(&str, &str); 5] = [
    ("business name", "give the account a name at https://dashboard.stripe.com/settings/account"),
    (
        "currenc",
        "the customer pays in another currency, and Stripe takes one for each customer: give \
         the price a currency option, or end what they pay for in the other currency",
    ),
    (
        "configuration",
        "the portal does not offer this: `tollgate plans apply` makes and compares its \
         configuration, which the functions have with the next deployment",
    ),
    (
        "tax",
        "automatic tax needs the customer's address: give the customer one in the dashboard, or \
         turn automatic tax off",
    ),
    ("inactive", "the price is archived: make it active, or give its lookup key to another"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Service;

    #[test]
    fn whoever_may_try_again_is_told_when() {
        let too_many = |millis| Refusal::TooMany { after: SignedDuration::from_millis(millis) };
        assert_eq!([1, 1_000, 1_001].map(|it| too_many(it).retry_after()), [1, 1, 2].map(Some));
        let (service, operation, detail) = (Service::Stripe, "GET", String::new());
        let down = PortError { service, operation, class: Class::Unavailable, detail };
        let soon = [Refusal::NotReady, Refusal::Busy, Refusal::Unavailable(down.clone())];
        for soon in soon.iter().chain([&too_many(1)]) {
            assert!(soon.retry_after().is_some(), "{soon}");
            assert!([429, 503].contains(&soon.code().status()), "{soon}");
        }
        let never = [Refusal::Held, Refusal::Closed, Refusal::SameOffer];
        for never in never.into_iter().chain([Refusal::Rejected(down)]) {
            assert_eq!(never.retry_after(), None, "{never}");
            assert!(![429, 503].contains(&never.code().status()), "{never}");
        }
    }

    #[test]
    fn the_seller_is_told_what_mends_what_stripe_refuses() {
        let mend = |detail: &str| {
            let (service, operation, detail) = (Service::Stripe, "POST", detail.to_owned());
            let error = PortError { service, operation, class: Class::Invalid, detail };
            Refusal::of_page(error).mend()
        };
        for (told, mends) in [
            ("No configuration provided", "`tollgate plans apply`"),
            ("You cannot combine currencies on a single customer", "a currency option"),
            ("Automatic tax calculation needs an address", "turn automatic tax off"),
            ("The price specified is inactive", "the price is archived"),
            ("Something else", "Stripe's own words"),
        ] {
            assert!(mend(told).is_some_and(|mend| mend.contains(mends)), "{told}");
        }
        assert_eq!(Refusal::Busy.mend(), None);
    }
}
