//! The few fields of a Stripe event that are read, whatever its API version.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::lenient::{Expandable, Lenient, List, Text};
use super::metadata::{METADATA_ACCOUNT, METADATA_PROOF, METADATA_STACK};
use super::whole::Whole;

/// As many items as Stripe lets a subscription have.
/// <https://docs.stripe.com/billing/subscriptions/multiple-products>
const MAX_ITEMS: usize = 20;

/// An event: <https://docs.stripe.com/api/events/object>
#[derive(Deserialize)]
pub(super) struct EventView<'a> {
    #[serde(borrow, default)]
    pub(super) id: Lenient<Text<'a>>,
    /// `event`, or `v2.core.event` for a thin one.
    #[serde(borrow, default)]
    pub(super) object: Lenient<Text<'a>>,
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Lenient<Text<'a>>,
    /// Unix time in seconds.
    #[serde(default)]
    pub(super) created: Lenient<Whole>,
    #[serde(default)]
    pub(super) livemode: Lenient<bool>,
    /// The connected account, on Connect events.
    #[serde(borrow, default)]
    pub(super) account: Lenient<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) data: Lenient<Data<'a>>,
}

/// What the event shows.
#[derive(Deserialize)]
pub(super) struct Data<'a> {
    #[serde(borrow, default)]
    pub(super) object: Lenient<ObjectView<'a>>,
}

/// A subscription, an invoice, a Checkout session, a charge, a dispute, an early fraud
/// warning or a customer: the fields of all that are read of any.
#[derive(Deserialize)]
pub(super) struct ObjectView<'a> {
    #[serde(borrow, default)]
    pub(super) id: Lenient<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) customer: Lenient<Expandable<'a>>,
    #[serde(borrow, default)]
    pub(super) charge: Lenient<Expandable<'a>>,
    /// A Checkout session's.
    #[serde(borrow, default)]
    pub(super) mode: Lenient<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) status: Lenient<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) metadata: Lenient<Metadata<'a>>,
    /// A subscription's.
    #[serde(borrow, default)]
    pub(super) items: Lenient<Items<'a>>,
    /// Unix time in seconds.
    #[serde(default)]
    pub(super) cancel_at: Lenient<Whole>,
    #[serde(default)]
    pub(super) cancel_at_period_end: Lenient<bool>,
    /// A subscription's: what becomes of its invoices.
    #[serde(borrow, default)]
    pub(super) pause_collection: Lenient<PauseView<'a>>,
    /// A charge's: whether all of it is.
    #[serde(default)]
    pub(super) refunded: Lenient<bool>,
    /// An invoice's, since API version 2025-03-31.basil.
    #[serde(borrow, default)]
    pub(super) parent: Lenient<InvoiceParent<'a>>,
    /// An invoice's, before it.
    #[serde(borrow, default)]
    pub(super) subscription_details: Lenient<SubscriptionDetails<'a>>,
}

/// The keys that Tollgate sets.
#[derive(Deserialize)]
pub(super) struct Metadata<'a> {
    #[serde(borrow, default, rename = "tollgate_account")]
    pub(super) account: Lenient<Text<'a>>,
    #[serde(borrow, default, rename = "tollgate_proof")]
    pub(super) proof: Lenient<Text<'a>>,
    #[serde(borrow, default, rename = "tollgate_stack")]
    pub(super) stack: Lenient<Text<'a>>,
}

impl Metadata<'_> {
    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let value = match key {
            METADATA_ACCOUNT => &self.account,
            METADATA_PROOF => &self.proof,
            METADATA_STACK => &self.stack,
            _ => return None,
        };
        value.0.as_ref().map(|Text(value)| value.as_ref())
    }
}

/// <https://docs.stripe.com/api/subscriptions/object#subscription_object-pause_collection>
#[derive(Deserialize)]
pub(super) struct PauseView<'a> {
    #[serde(borrow, default)]
    pub(super) behavior: Lenient<Text<'a>>,
}

/// A list of subscription items.
#[derive(Deserialize)]
pub(super) struct Items<'a> {
    #[serde(borrow, default)]
    pub(super) data: List<Item<'a>, MAX_ITEMS>,
    #[serde(default)]
    pub(super) has_more: Lenient<bool>,
}

/// A subscription item.
#[derive(Deserialize)]
pub(super) struct Item<'a> {
    #[serde(borrow, default)]
    pub(super) price: Lenient<PriceView<'a>>,
    #[serde(default)]
    pub(super) quantity: Lenient<Whole>,
}

/// A price, or its id alone.
pub(super) enum PriceView<'a> {
    Id(Text<'a>),
    Whole(PriceFields<'a>),
}

/// <https://docs.stripe.com/api/prices/object>
#[derive(Deserialize)]
pub(super) struct PriceFields<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) lookup_key: Lenient<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) product: Lenient<Expandable<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for PriceView<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        serde_json::from_str(raw)
            .map(Self::Id)
            .or_else(|_| serde_json::from_str(raw).map(Self::Whole))
            .map_err(serde::de::Error::custom)
    }
}

/// What an invoice was made for.
#[derive(Deserialize)]
pub(super) struct InvoiceParent<'a> {
    #[serde(borrow, default)]
    pub(super) subscription_details: Lenient<SubscriptionDetails<'a>>,
}

/// The subscription's metadata as it was when the invoice was finalized.
#[derive(Deserialize)]
pub(super) struct SubscriptionDetails<'a> {
    #[serde(borrow, default)]
    pub(super) metadata: Lenient<Metadata<'a>>,
}
