//! What each family of objects says of the account and of its entitlement.
//!
//! An account is named by Tollgate's own metadata only: the subscription's, the
//! Checkout session's, and the copy of the subscription's that an invoice carries.

use jiff::Timestamp;

use super::lenient::{Lenient, Text};
use super::view::{Metadata, ObjectView};
use crate::{AccountId, Hint, NamedAccount, PriceId, check_identifier};

/// What kind of object an event shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Session,
    Subscription,
    Invoice,
    Dispute,
    FraudWarning,
    Customer,
}

impl Family {
    /// Of a type in [`super::ACTED_ON`].
    pub(super) fn of(kind: &'static str) -> Self {
        match kind {
            _ if kind.starts_with("checkout.session.") => Self::Session,
            _ if kind.starts_with("customer.subscription.") => Self::Subscription,
            _ if kind.starts_with("invoice.") => Self::Invoice,
            _ if kind.starts_with("charge.dispute.") => Self::Dispute,
            _ if kind.starts_with("radar.early_fraud_warning.") => Self::FraudWarning,
            _ => Self::Customer,
        }
    }

    /// The account that Tollgate named on the object, if it did.
    pub(super) fn account(self, object: &ObjectView<'_>) -> Option<NamedAccount> {
        match self {
            Self::Session | Self::Subscription => named(&object.metadata),
            Self::Invoice => {
                let parent = object.parent.0.as_ref();
                let newest = parent.and_then(|parent| parent.subscription_details.0.as_ref());
                let before_basil = object.subscription_details.0.as_ref();
                [newest, before_basil]
                    .into_iter()
                    .flatten()
                    .find_map(|details| named(&details.metadata))
            }
            Self::Dispute | Self::FraudWarning | Self::Customer => None,
        }
    }

    /// What the worker compares with its own read.
    pub(super) fn hint(self, object: &ObjectView<'_>) -> Option<Hint> {
        let Text(status) = object.status.0.as_ref()?;
        // A word of Stripe's, known or not; an envelope has no room for anything else.
        check_identifier(status).ok()?;
        let status = status.as_ref().to_owned();
        match self {
            Self::Subscription => Some(Hint {
                status,
                prices: prices(object),
                cancel_at: object.cancel_at.0.and_then(|at| Timestamp::from_second(at).ok()),
                cancel_at_period_end: object.cancel_at_period_end.0.unwrap_or(false),
            }),
            Self::Dispute => Some(Hint { status, ..Hint::default() }),
            Self::Session | Self::Invoice | Self::FraudWarning | Self::Customer => None,
        }
    }
}

fn prices(object: &ObjectView<'_>) -> Vec<PriceId> {
    let items = object.items.0.iter().flat_map(|items| &items.data.0);
    let prices = items.filter_map(|item| item.price.0.as_ref());
    prices.filter_map(|id| PriceId::parse(id.0.as_ref()).ok()).collect()
}

/// An account with something that can be a proof; both are identifiers in form.
fn named(metadata: &Lenient<Metadata<'_>>) -> Option<NamedAccount> {
    let metadata = metadata.0.as_ref()?;
    let (Text(account), Text(proof)) = (metadata.account.0.as_ref()?, metadata.proof.0.as_ref()?);
    check_identifier(proof).ok()?;
    let id = AccountId::parse(account.as_ref()).ok()?;
    Some(NamedAccount { id, proof: Some(proof.as_ref().to_owned()) })
}

/// Whether a Checkout session can have led to a subscription of a customer.
pub(super) fn sells_subscription(session: &ObjectView<'_>) -> bool {
    let subscribes = matches!(&session.mode.0, Some(Text(mode)) if mode == "subscription");
    subscribes && session.customer.0.is_some()
}
