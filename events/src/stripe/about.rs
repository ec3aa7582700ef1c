//! What each family of objects says of the account and of its entitlement.
//!
//! An account is named by Tollgate's own metadata only: the subscription's, the
//! Checkout session's, and the copy of the subscription's that an invoice carries.

use jiff::Timestamp;

use super::lenient::{Lenient, Text};
use super::view::{Item, Metadata, ObjectView, PriceView};
use super::whole::Whole;
use crate::{Hint, NamedAccount, PriceId, ProductId, check_identifier};

/// What kind of object an event shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A Checkout session.
    Session,
    /// A subscription.
    Subscription,
    /// An invoice.
    Invoice,
    /// A charge, by a dispute or an early fraud warning: it tells no customer.
    Charge,
    /// A customer.
    Customer,
}

/// What kind of object an event of this type shows; of one that is not acted on, the customer.
pub fn about(kind: &str) -> About {
    match kind {
        _ if kind.starts_with("checkout.session.") => About::Session,
        _ if kind.starts_with("customer.subscription.") => About::Subscription,
        _ if kind.starts_with("invoice.") => About::Invoice,
        _ if is_dispute(kind) => About::Charge,
        _ if kind.starts_with("radar.early_fraud_warning.") => About::Charge,
        _ => About::Customer,
    }
}

fn is_dispute(kind: &str) -> bool {
    kind.starts_with("charge.dispute.")
}

impl About {
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
            Self::Charge | Self::Customer => None,
        }
    }

    /// What the worker compares with its own read.
    pub(super) fn hint(self, kind: &str, object: &ObjectView<'_>) -> Option<Hint> {
        let Text(status) = object.status.0.as_ref()?;
        // A word of Stripe's, known or not; an envelope has no room for anything else.
        check_identifier(status).ok()?;
        let status = status.as_ref().to_owned();
        match self {
            Self::Subscription => Some(Hint {
                status,
                cancel_at: object.cancel_at.0.and_then(|Whole(at)| Timestamp::from_second(at).ok()),
                cancel_at_period_end: object.cancel_at_period_end.0.unwrap_or(false),
                ..sold(object)
            }),
            Self::Charge if is_dispute(kind) => Some(Hint { status, ..Hint::default() }),
            Self::Session | Self::Invoice | Self::Charge | Self::Customer => None,
        }
    }
}

/// How many bytes of lookup keys and products an envelope has room for.
const MOST_SOLD: usize = 1024;

/// What a subscription sells.
fn sold(object: &ObjectView<'_>) -> Hint {
    let mut hint = Hint::default();
    let Some(items) = &object.items.0 else { return hint };
    hint.whole = items.data.whole && items.has_more.0 == Some(false);
    let mut room = MOST_SOLD;
    for item in &items.data.values {
        hint.whole &= note(&mut hint, item, &mut room);
    }
    hint
}

/// Notes what an item sells; whether that is all of it.
fn note(hint: &mut Hint, item: &Item<'_>, room: &mut usize) -> bool {
    let (Text(id), whole) = match &item.price.0 {
        None => return false,
        Some(PriceView::Id(id)) => (id, None),
        Some(PriceView::Whole(price)) => (&price.id, Some(price)),
    };
    let Ok(id) = PriceId::parse(id.as_ref()) else { return false };
    hint.prices.push(id);
    let Some(price) = whole else { return false };
    let product = price.product.0.as_ref().and_then(|id| ProductId::parse(id.0.as_ref()).ok());
    let Some(product) = product else { return false };
    let key = price.lookup_key.0.as_ref().map(|Text(key)| key.as_ref());
    let Some(left) = room.checked_sub(product.as_str().len() + key.map_or(0, str::len)) else {
        return false;
    };
    *room = left;
    if !hint.products.contains(&product) {
        hint.products.push(product);
    }
    if let Some(key) = key.filter(|key| !hint.lookup_keys.iter().any(|known| known == key)) {
        hint.lookup_keys.push(key.to_owned());
    }
    true
}

/// An account with something that can be a proof.
fn named(metadata: &Lenient<Metadata<'_>>) -> Option<NamedAccount> {
    let metadata = metadata.0.as_ref()?;
    let named = NamedAccount::from_metadata(|key| metadata.get(key))?;
    Some(named).filter(|named| named.proof.is_some())
}

/// Whether a Checkout session can have led to a subscription of a customer.
pub(super) fn sells_subscription(session: &ObjectView<'_>) -> bool {
    let subscribes = matches!(&session.mode.0, Some(Text(mode)) if mode == "subscription");
    subscribes && session.customer.0.is_some()
}
