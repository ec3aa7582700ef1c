//! The life of a subscription as one table: what each act or due time does to a
//! subscription in each status.
//!
//! Sources: <https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses>,
//! <https://docs.stripe.com/api/subscriptions/object#subscription_object-status>,
//! <https://docs.stripe.com/billing/subscriptions/trials>,
//! <https://docs.stripe.com/billing/subscriptions/pause-payment>,
//! <https://docs.stripe.com/api/subscriptions/resume>,
//! <https://docs.stripe.com/billing/subscriptions/cancel>.
//! Only the status stands here; periods, invoices and events are made elsewhere.

use super::error::StripeError;

/// A subscription's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// The first payment has not been made yet.
    Incomplete,
    /// The first payment was not made within 23 hours. Final.
    IncompleteExpired,
    /// In its trial.
    Trialing,
    /// Paid.
    Active,
    /// A payment failed.
    PastDue,
    /// Ended. Final.
    Canceled,
    /// Payments failed, retries are over.
    Unpaid,
    /// The trial ended without a payment method.
    Paused,
}

impl Status {
    /// Every status, in the table's order.
    pub const ALL: [Self; 8] = [
        Self::Incomplete,
        Self::IncompleteExpired,
        Self::Trialing,
        Self::Active,
        Self::PastDue,
        Self::Canceled,
        Self::Unpaid,
        Self::Paused,
    ];

    /// As Stripe spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Canceled => "canceled",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
        }
    }

    /// Whether nothing can follow.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }
}

/// What can happen to a subscription: requests, payments and due times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// The first invoice is paid.
    FirstPaymentSucceeds,
    /// The first invoice's payment fails, or waits for the customer.
    FirstPaymentFails,
    /// Time: 23 hours have passed since an unpaid first invoice.
    FirstPaymentExpires,
    /// Time: the billing period ends and the next begins, with a draft invoice.
    PeriodEnds,
    /// Time: the period's invoice is finalized and paid.
    RenewalPaid,
    /// Time: the period's invoice is finalized and its payment fails.
    RenewalFails,
    /// The latest invoice is paid after all: by a retry or by the customer.
    OpenInvoicePaid,
    /// Time: a retry fails, and another will follow.
    RetryFails,
    /// Time: the last retry fails; the account's setting is to cancel.
    RetriesExhaustedCancel,
    /// Time: the last retry fails; the account's setting is to mark as unpaid.
    RetriesExhaustedUnpaid,
    /// Time: the last retry fails; the account's setting is to leave it past due.
    RetriesExhaustedLeave,
    /// Request: another price.
    UpdatePrice,
    /// Request: metadata alone.
    UpdateMetadata,
    /// Request: `cancel_at_period_end=true`.
    SetCancelAtPeriodEnd,
    /// Request: the planned cancellation is taken back.
    ClearCancel,
    /// Request: `cancel_at`.
    SetCancelAt,
    /// Request: `pause_collection`.
    PauseCollection,
    /// Request: `pause_collection` is unset.
    UnpauseCollection,
    /// Request: cancel at once.
    CancelNow,
    /// Time: the planned cancellation.
    CancelAtReached,
    /// Request: resume; the resumption invoice is paid.
    ResumePaid,
    /// Request: resume; the resumption invoice's payment fails.
    ResumeFails,
    /// Time: the trial ends, there is a payment method.
    TrialEndsWithPaymentMethod,
    /// Time: the trial ends without a payment method, `missing_payment_method=cancel`.
    TrialEndsCancel,
    /// Time: the trial ends without a payment method, `missing_payment_method=pause`.
    TrialEndsPause,
    /// Time: the trial ends without a payment method, `missing_payment_method=create_invoice`.
    TrialEndsCreateInvoice,
}

/// Why Stripe refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A canceled subscription takes only metadata and cancellation details.
    CanceledUpdate,
    /// An expired one takes no update.
    ExpiredUpdate,
    /// An incomplete one takes only metadata and a payment method.
    IncompleteUpdate,
    /// Cancelling what is over: Stripe does not find it.
    NoSuchSubscription,
    /// Only a paused subscription can be resumed.
    NotPaused,
    /// The invoice of an expired subscription is void.
    InvoiceVoid,
}

impl Refusal {
    /// The error that Stripe answers. Texts seen in the wild, except for the last
    /// three, whose wording is ours.
    pub fn error(self, subscription: &str) -> StripeError {
        match self {
            Self::CanceledUpdate => StripeError::invalid(
                "A canceled subscription can only update its cancellation_details and metadata.",
            ),
            Self::ExpiredUpdate => StripeError::invalid(
                "You cannot update a subscription that is `canceled` or `incomplete_expired`.",
            ),
            Self::NoSuchSubscription => StripeError::missing("subscription", subscription),
            Self::IncompleteUpdate => StripeError::invalid(
                "A subscription in `incomplete` status can only update its metadata and default payment method.",
            ),
            Self::NotPaused => {
                StripeError::invalid("Only a subscription in `paused` status can be resumed.")
            }
            Self::InvoiceVoid => StripeError::invalid("A void invoice cannot be paid."),
        }
    }
}

/// One cell of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// It goes to this status, or stays in it.
    To(Status),
    /// Stripe refuses.
    Refused(Refusal),
    /// Stripe never does this to a subscription in that status: the act or the due
    /// time is void.
    Never,
}

use Action as A;
use Cell::{Never as __, Refused, To};

const IN: Cell = To(Status::Incomplete);
const IE: Cell = To(Status::IncompleteExpired);
const TR: Cell = To(Status::Trialing);
const AC: Cell = To(Status::Active);
const PD: Cell = To(Status::PastDue);
const CA: Cell = To(Status::Canceled);
const UN: Cell = To(Status::Unpaid);
const PA: Cell = To(Status::Paused);
const XC: Cell = Refused(Refusal::CanceledUpdate);
const XE: Cell = Refused(Refusal::ExpiredUpdate);
const XI: Cell = Refused(Refusal::IncompleteUpdate);
const XS: Cell = Refused(Refusal::NoSuchSubscription);
const XP: Cell = Refused(Refusal::NotPaused);
const XV: Cell = Refused(Refusal::InvoiceVoid);

/// The table: a row for each action, a column for each status of [`Status::ALL`].
#[rustfmt::skip]
pub const TABLE: [(Action, [Cell; 8]); 26] = [
    //                                inc exp tri act due can unp pau
    (A::FirstPaymentSucceeds,       [AC, XV, __, __, __, __, __, __]),
    (A::FirstPaymentFails,          [IN, XV, __, __, __, __, __, __]),
    (A::FirstPaymentExpires,        [IE, __, __, __, __, __, __, __]),
    (A::PeriodEnds,                 [__, __, __, AC, PD, __, UN, __]),
    (A::RenewalPaid,                [__, __, __, AC, AC, __, __, __]),
    (A::RenewalFails,               [__, __, __, PD, PD, __, __, __]),
    (A::OpenInvoicePaid,            [AC, XV, TR, AC, AC, CA, AC, PA]),
    (A::RetryFails,                 [__, __, __, AC, PD, __, __, __]),
    (A::RetriesExhaustedCancel,     [__, __, __, __, CA, __, __, __]),
    (A::RetriesExhaustedUnpaid,     [__, __, __, __, UN, __, __, __]),
    (A::RetriesExhaustedLeave,      [__, __, __, __, PD, __, __, __]),
    (A::UpdatePrice,                [XI, XE, TR, AC, PD, XC, UN, PA]),
    (A::UpdateMetadata,             [IN, XE, TR, AC, PD, CA, UN, PA]),
    (A::SetCancelAtPeriodEnd,       [XI, XE, TR, AC, PD, XC, UN, PA]),
    (A::ClearCancel,                [XI, XE, TR, AC, PD, XC, UN, PA]),
    (A::SetCancelAt,                [XI, XE, TR, AC, PD, XC, UN, PA]),
    (A::PauseCollection,            [XI, XE, TR, AC, PD, XC, UN, PA]),
    (A::UnpauseCollection,          [XI, XE, TR, AC, PD, XC, UN, PA]),
    (A::CancelNow,                  [IE, XS, CA, CA, CA, XS, CA, CA]),
    (A::CancelAtReached,            [__, __, CA, CA, CA, __, CA, CA]),
    (A::ResumePaid,                 [XP, XP, XP, XP, XP, XP, XP, AC]),
    (A::ResumeFails,                [XP, XP, XP, XP, XP, XP, XP, PD]),
    (A::TrialEndsWithPaymentMethod, [__, __, AC, __, __, __, __, __]),
    (A::TrialEndsCancel,            [__, __, CA, __, __, __, __, __]),
    (A::TrialEndsPause,             [__, __, PA, __, __, __, __, __]),
    (A::TrialEndsCreateInvoice,     [__, __, AC, __, __, __, __, __]),
];

/// The cell for a status and an action.
pub fn cell(status: Status, action: Action) -> Cell {
    let column = Status::ALL.iter().position(|s| *s == status).expect("ALL has every status");
    let (_, row) = TABLE.iter().find(|(a, _)| *a == action).expect("the table has every action");
    row[column]
}
