//! From a Stripe event to an envelope: whom it is about, and what it showed.
//!
//! Snapshot events of every API version are read, with periods and parents where
//! either the newest or the versions before Basil have them; only what names the
//! account and what a second look compares is read at all. It decides nothing:
//! events of another mode or of a connected account become envelopes too, and say
//! so. A body must have been [verified](super::verify) before it comes here.

use jiff::Timestamp;

use super::lenient::{Lenient, Text};
use super::view::{EventView, Metadata, ObjectView};
use crate::{
    AccountId, ChargeId, CustomerId, Envelope, EventId, Hint, IdError, NamedAccount, PriceId,
    Source, Subject, Via, check_identifier,
};

/// The event types that Tollgate acts on, and so what a webhook endpoint must send.
/// <https://docs.stripe.com/api/events/types>
pub const ACTED_ON: &[&str] = &[
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "customer.subscription.resumed",
    "customer.subscription.updated",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "radar.early_fraud_warning.created",
];

/// The metadata key under which Tollgate writes the account on Stripe's objects.
pub const METADATA_ACCOUNT: &str = "tollgate_account";

/// The metadata key of Tollgate's HMAC over the account. Without it the account is
/// not believed: whoever can write metadata could name another's.
pub const METADATA_PROOF: &str = "tollgate_proof";

/// As many items as Stripe lets a subscription have.
/// <https://docs.stripe.com/billing/subscriptions/multiple-products>
const MAX_ITEMS: usize = 20;

/// What a verified body turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// An event to act on.
    Envelope(Box<Envelope>),
    /// An event that nothing needs: of another type, thin, about an object without
    /// an id, or a Checkout session that sells no subscription.
    NotNeeded {
        /// Its type.
        kind: String,
    },
}

/// Why a verified body is not an event that can be acted on. None of them repeats
/// what the body says, except ids and types.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Not JSON.
    #[error("the body is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// JSON that ends too early.
    #[error("the body is cut off")]
    Truncated(#[source] serde_json::Error),
    /// JSON, but no object, or one that has a field twice.
    #[error("the body is JSON, but not one object with each field once")]
    NotAnObject,
    /// No `id`.
    #[error("the event has no id")]
    NoEventId,
    /// An `id` that is not `evt_…`.
    #[error("the event's id is not an evt_ id")]
    BadEventId,
    /// No `type`.
    #[error("event {event} has no type")]
    NoType {
        /// The event.
        event: EventId,
    },
    /// No `data.object`.
    #[error("event {event} ({kind}) shows no object")]
    NoObject {
        /// The event.
        event: EventId,
        /// Its type.
        kind: &'static str,
    },
    /// Its object names no customer, where only that says whom it is about.
    #[error("event {event} ({kind}) names no customer")]
    NoCustomer {
        /// The event.
        event: EventId,
        /// Its type.
        kind: &'static str,
    },
    /// Its object names no charge, where only that says whom it is about.
    #[error("event {event} ({kind}) names no charge")]
    NoCharge {
        /// The event.
        event: EventId,
        /// Its type.
        kind: &'static str,
    },
    /// The object, customer or charge that it names is not an identifier.
    #[error("event {event} ({kind}) has a {field} that is not an identifier")]
    BadId {
        /// The event.
        event: EventId,
        /// Its type.
        kind: &'static str,
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: IdError,
    },
}

/// Reads a verified body.
///
/// An event without a readable `created` happened when it was received. An account
/// is taken only from metadata with a proof, which is not checked here; never from
/// `client_reference_id`, which a payment link's customer can set.
///
/// # Errors
/// [`ReadError`] when the body is not an event, or does not say whom it is about.
pub fn read(body: &[u8], received_at: Timestamp) -> Result<Reading, ReadError> {
    let view: EventView<'_> = serde_json::from_slice(body).map_err(unreadable)?;
    let id = event_id(&view.id)?;
    let Some(Text(kind)) = &view.kind.0 else {
        return Err(ReadError::NoType { event: id });
    };
    let thin = matches!(&view.object.0, Some(Text(object)) if object == "v2.core.event");
    let acted_on = ACTED_ON.iter().find(|known| **known == kind).filter(|_| !thin);
    let Some(&kind) = acted_on else {
        return Ok(not_needed(kind));
    };
    let event = Event { id, kind, family: Family::of(kind) };
    let Some(object) = view.data.0.and_then(|data| data.object.0) else {
        return Err(ReadError::NoObject { event: event.id, kind });
    };
    let Some(Text(object_id)) = &object.id.0 else {
        return Ok(not_needed(kind));
    };
    if event.family == Family::Session && !sells_subscription(&object) {
        return Ok(not_needed(kind));
    }
    event.id("id", check_identifier(object_id))?;
    let subject = event.subject(&object)?;
    let mut envelope =
        Envelope::received(Source::Stripe, Via::Webhook, event.id, kind, subject, received_at);
    envelope.occurred_at = view.created.0.and_then(from_second).unwrap_or(envelope.received_at);
    envelope.object = Some(object_id.as_ref().to_owned());
    envelope.livemode = view.livemode.0;
    envelope.connect_account = view.account.0.map(|text| text.0.into_owned());
    envelope.hint = event.family.hint(&object);
    Ok(Reading::Envelope(Box::new(envelope)))
}

fn not_needed(kind: &str) -> Reading {
    Reading::NotNeeded { kind: kind.to_owned() }
}

fn unreadable(error: serde_json::Error) -> ReadError {
    match error.classify() {
        serde_json::error::Category::Eof => ReadError::Truncated(error),
        // Its text would repeat what the body says.
        serde_json::error::Category::Data => ReadError::NotAnObject,
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
            ReadError::NotJson(error)
        }
    }
}

fn event_id(id: &Lenient<Text<'_>>) -> Result<EventId, ReadError> {
    let Some(Text(id)) = &id.0 else {
        return Err(ReadError::NoEventId);
    };
    if !id.starts_with("evt_") {
        return Err(ReadError::BadEventId);
    }
    EventId::parse(id.as_ref()).map_err(|_| ReadError::BadEventId)
}

fn from_second(second: i64) -> Option<Timestamp> {
    Timestamp::from_second(second).ok()
}

/// Whether a Checkout session can have led to a subscription of a customer.
fn sells_subscription(session: &ObjectView<'_>) -> bool {
    let subscribes = matches!(&session.mode.0, Some(Text(mode)) if mode == "subscription");
    subscribes && session.customer.0.is_some()
}

/// What kind of object an event shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Session,
    Subscription,
    Invoice,
    Dispute,
    FraudWarning,
    Customer,
}

impl Family {
    /// Of a type in [`ACTED_ON`].
    fn of(kind: &'static str) -> Self {
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
    fn account(self, object: &ObjectView<'_>) -> Option<NamedAccount> {
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
    fn hint(self, object: &ObjectView<'_>) -> Option<Hint> {
        let Text(status) = object.status.0.as_ref()?;
        let status = status.as_ref().to_owned();
        match self {
            Self::Subscription => Some(Hint {
                status,
                prices: prices(object),
                cancel_at: object.cancel_at.0.and_then(from_second),
                cancel_at_period_end: object.cancel_at_period_end.0.unwrap_or(false),
            }),
            Self::Dispute => Some(Hint { status, ..Hint::default() }),
            Self::Session | Self::Invoice | Self::FraudWarning | Self::Customer => None,
        }
    }
}

fn prices(object: &ObjectView<'_>) -> Vec<PriceId> {
    let items = object.items.0.as_ref().and_then(|items| items.data.0.as_deref());
    let prices = items.unwrap_or_default().iter().map(|item| item.0.as_ref()?.price.0.as_ref());
    prices.flatten().filter_map(|id| PriceId::parse(id.0.as_ref()).ok()).take(MAX_ITEMS).collect()
}

/// An account with something that can be a proof; both are identifiers in form.
fn named(metadata: &Lenient<Metadata<'_>>) -> Option<NamedAccount> {
    let metadata = metadata.0.as_ref()?;
    let (Text(account), Text(proof)) = (metadata.account.0.as_ref()?, metadata.proof.0.as_ref()?);
    check_identifier(proof).ok()?;
    let id = AccountId::parse(account.as_ref()).ok()?;
    Some(NamedAccount { id, proof: Some(proof.as_ref().to_owned()) })
}

/// An event that is acted on, while it is read.
struct Event {
    id: EventId,
    kind: &'static str,
    family: Family,
}

impl Event {
    /// Whom it is about.
    fn subject(&self, object: &ObjectView<'_>) -> Result<Subject, ReadError> {
        match self.family {
            Family::Session | Family::Subscription | Family::Invoice => {
                let customer = object.customer.0.as_ref().ok_or_else(|| self.no_customer())?;
                let customer = self.id("customer", CustomerId::parse(customer.0.as_ref()))?;
                let account = self.family.account(object);
                Ok(Subject { account, ..Subject::customer(customer) })
            }
            Family::Dispute | Family::FraudWarning => {
                let charge = object.charge.0.as_ref().ok_or_else(|| self.no_charge())?;
                let charge = self.id("charge", ChargeId::parse(charge.0.as_ref()))?;
                Ok(Subject { charge: Some(charge), ..Subject::default() })
            }
            Family::Customer => {
                let Lenient(Some(Text(id))) = &object.id else { return Err(self.no_customer()) };
                Ok(Subject::customer(self.id("id", CustomerId::parse(id.as_ref()))?))
            }
        }
    }

    fn id<T>(&self, field: &'static str, parsed: Result<T, IdError>) -> Result<T, ReadError> {
        let (event, kind) = (&self.id, self.kind);
        parsed.map_err(|source| ReadError::BadId { event: event.clone(), kind, field, source })
    }

    fn no_customer(&self) -> ReadError {
        ReadError::NoCustomer { event: self.id.clone(), kind: self.kind }
    }

    fn no_charge(&self) -> ReadError {
        ReadError::NoCharge { event: self.id.clone(), kind: self.kind }
    }
}
