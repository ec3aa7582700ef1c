//! What each family of objects says of the account and of its entitlement.
//!
//! An account is named by Tollgate's own metadata only: the subscription's, the
//! Checkout session's, and the copy of the subscription's that an invoice carries.

use jiff::Timestamp;

use super::lenient::{Lenient, Text};
use super::view::{Item, Metadata, ObjectView, PriceFields, PriceView};
use super::whole::Whole;
use crate::envelope::json;
use crate::kind::About;
use crate::{Hint, NamedAccount, PriceId, ProductId, check_word};

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
            Self::Dispute | Self::FraudWarning | Self::Refund | Self::Customer => None,
        }
    }

    /// What the worker compares with its own read.
    pub(super) fn hint(self, object: &ObjectView<'_>) -> Option<Hint> {
        if self == Self::Refund {
            let status = if object.refunded.0 == Some(true) { REFUNDED } else { PARTLY_REFUNDED };
            return Some(Hint { status: status.to_owned(), ..Hint::default() });
        }
        let Text(status) = object.status.0.as_ref()?;
        // A word of Stripe's, known or not; an envelope has no room for anything else.
        check_word(status).ok()?;
        let status = status.as_ref().to_owned();
        match self {
            Self::Subscription => Some(Hint {
                status,
                cancel_at: object.cancel_at.0.and_then(|Whole(at)| Timestamp::from_second(at).ok()),
                cancel_at_period_end: object.cancel_at_period_end.0.unwrap_or(false),
                voids_invoices: voids_invoices(object),
                ..sold(object)
            }),
            Self::Dispute => Some(Hint { status, ..Hint::default() }),
            Self::Session | Self::Invoice | Self::FraudWarning | Self::Refund | Self::Customer => {
                None
            }
        }
    }
}

/// The hint's status of a charge that was refunded in full, and of one of which a part was: a
/// charge's own status does not tell.
pub const REFUNDED: &str = "refunded";
const PARTLY_REFUNDED: &str = "partly_refunded";

/// How many bytes of prices, lookup keys and products an envelope has room for, as JSON.
const MOST_SOLD: usize = 4 * 1024;

/// What a subscription sells, as far as there is room for it.
fn sold(object: &ObjectView<'_>) -> Hint {
    let mut hint = Hint::default();
    let Some(items) = &object.items.0 else { return hint };
    hint.whole = items.data.whole && items.has_more.0 == Some(false);
    let mut room = Room(MOST_SOLD);
    // What there is none of is not sold.
    let is_sold = |item: &&Item<'_>| !matches!(item.quantity.0, Some(Whole(0)));
    for item in items.data.values.iter().filter(is_sold) {
        hint.whole &= note(&mut hint, item, &mut room);
    }
    hint
}

fn voids_invoices(object: &ObjectView<'_>) -> bool {
    let pause = object.pause_collection.0.as_ref();
    let behavior = pause.and_then(|pause| pause.behavior.0.as_ref());
    behavior.is_some_and(|Text(behavior)| behavior == "void")
}

/// Bytes that are left.
struct Room(usize);

impl Room {
    /// Takes what a text needs as JSON in a list, if it is there.
    fn takes(&mut self, text: &str) -> bool {
        // As JSON it is longer still: what is too long anyway is not written out.
        let spelled = (text.len() < self.0).then(|| json(&text).len() + 1);
        let left = spelled.and_then(|spelled| self.0.checked_sub(spelled));
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

/// Notes what an item sells; whether that is all of it.
fn note(hint: &mut Hint, item: &Item<'_>, room: &mut Room) -> bool {
    let (Text(id), whole) = match &item.price.0 {
        None => return false,
        Some(PriceView::Id(id)) => (id, None),
        Some(PriceView::Whole(price)) => (&price.id, Some(price)),
    };
    match PriceId::parse(id.as_ref()) {
        Ok(id) if room.takes(id.as_str()) => hint.prices.push(id),
        _ => return false,
    }
    // Both are noted, whatever becomes of the first.
    whole.is_some_and(|price| note_product(hint, price, room) & note_lookup_key(hint, price, room))
}

fn note_product(hint: &mut Hint, price: &PriceFields<'_>, room: &mut Room) -> bool {
    let product = price.product.0.as_ref().and_then(|id| ProductId::parse(id.0.as_ref()).ok());
    let Some(product) = product else { return false };
    if hint.products.contains(&product) {
        return true;
    }
    let noted = room.takes(product.as_str());
    hint.products.extend(noted.then_some(product));
    noted
}

fn note_lookup_key(hint: &mut Hint, price: &PriceFields<'_>, room: &mut Room) -> bool {
    let Some(Text(key)) = &price.lookup_key.0 else { return true };
    if hint.lookup_keys.iter().any(|known| known == key) {
        return true;
    }
    let noted = room.takes(key);
    hint.lookup_keys.extend(noted.then(|| key.as_ref().to_owned()));
    noted
}

/// An account with something that can be a proof.
fn named(metadata: &Lenient<Metadata<'_>>) -> Option<NamedAccount> {
    let metadata = metadata.0.as_ref()?;
    let named = NamedAccount::from_metadata(|key| metadata.get(key))?;
    Some(named).filter(|named| named.proof.is_some())
}

/// Whether a Checkout session sells a subscription.
pub(super) fn sells_subscription(session: &ObjectView<'_>) -> bool {
    matches!(&session.mode.0, Some(Text(mode)) if mode == "subscription")
}
