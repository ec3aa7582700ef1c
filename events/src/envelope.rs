//! The queue's message: versioned, under 1 KB, no payload, no personal data.
//!
//! The worker fetches what it needs; the envelope tells only where to look.
//! Fields may be added to a version (unknown ones are skipped when reading); a
//! change of meaning raises [`ENVELOPE_VERSION`], and a reader that meets a newer
//! version says so instead of guessing. `fixtures/envelope/` keeps what each version
//! has written: all of it is read for ever.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::kind::{About, about};
use crate::wakes::{BETWEEN_PLANS, OLD_KEY_BETWEEN_PLANS};
use crate::{AccountId, ChargeId, CustomerId, EventId, PriceId, ProductId, word_for};

/// The version this build writes, and the newest one that it reads.
pub const ENVELOPE_VERSION: u32 = 1;

/// The longest text that is read as an envelope of any version, in bytes. What this
/// crate makes is shorter whatever came: far more than the usual length, and far less
/// than a message (1 MiB) or a record of it (400 KB) may have.
pub const MAX_ENVELOPE_BYTES: usize = 8 * 1024;

/// Who said it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A Stripe event (`evt_…`).
    Stripe,
    /// A Cognito trigger: a sign-up, or a sign-in that showed an unfinished account.
    Cognito,
    /// A CloudTrail record of an administrator's act on the user pool.
    Cloudtrail,
    /// Tollgate's own schedule: a due account, or drift.
    Sweep,
    /// A person with the operator's command.
    Operator,
    /// Something on the queue that no reader understands; its id is the message's.
    Queue,
}

impl Source {
    /// The name used in ledger keys and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Cognito => "cognito",
            Self::Cloudtrail => "cloudtrail",
            Self::Sweep => "sweep",
            Self::Operator => "operator",
            Self::Queue => "queue",
        }
    }
}

/// How this copy of the event came to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Stripe's webhook delivery.
    Webhook,
    /// A Cognito Lambda trigger.
    Trigger,
    /// An EventBridge rule.
    Eventbridge,
    /// The sweep's schedule.
    Schedule,
    /// A replay by the operator.
    Replay,
    /// The operator's command.
    Operator,
}

/// An account that the payload names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedAccount {
    /// The Cognito user's `sub`.
    pub id: AccountId,
    /// Our HMAC over it, from the metadata of a Stripe object that Tollgate made.
    /// `None` when the naming party is trusted itself (Cognito, the operator).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// The deployment that wrote it; `None` on what was made before it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

impl NamedAccount {
    /// Named by a party that we trust.
    pub fn trusted(id: AccountId) -> Self {
        Self { id, proof: None, stack: None }
    }
}

/// Whom the event is about: as much of it as the payload says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The account, where the payload names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<NamedAccount>,
    /// The Stripe customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerId>,
    /// The charge, on refunds, and on disputes and early fraud warnings, which have no customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<ChargeId>,
}

impl Subject {
    /// An account named by a party that we trust.
    pub fn account(id: AccountId) -> Self {
        Self { account: Some(NamedAccount::trusted(id)), ..Self::default() }
    }

    /// A customer, and nothing else known.
    pub fn customer(id: CustomerId) -> Self {
        Self { customer: Some(id), ..Self::default() }
    }
}

/// The entitlement fields of the event's object, as the event showed them.
///
/// Never applied. When what Stripe returns differs, the read may have lagged, and the account
/// gets a second look; and what it sells tells whether the event is any business of this
/// deployment's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// The object's status, as Stripe spells it.
    pub status: String,
    /// The price of each subscription item of which there are any, in the object's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<PriceId>,
    /// The lookup keys of these prices, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lookup_keys: Vec<String>,
    /// The products of these prices, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<ProductId>,
    /// Whether prices, lookup keys and products are those of every item: then what is not among
    /// them is not sold by the subscription.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// When the subscription will be cancelled, in whole seconds.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::second::optional"
    )]
    pub cancel_at: Option<Timestamp>,
    /// Whether the subscription ends with its period.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancel_at_period_end: bool,
    /// Whether the subscription's invoices are voided as they come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub voids_invoices: bool,
}

/// What names an event in the ledger: the originator and its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventRef {
    /// Who said it first.
    pub source: Source,
    /// The originator's id.
    pub id: EventId,
}

impl std::fmt::Display for EventRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.source.as_str(), self.id)
    }
}

/// One message on the queue: "look at this account".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The envelope's version, [`ENVELOPE_VERSION`].
    pub v: u32,
    /// Who said it first.
    pub source: Source,
    /// The originator's id.
    pub id: EventId,
    /// The originator's type: `customer.subscription.updated`, `sign_up`, `due`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whom it is about.
    pub subject: Subject,
    /// The id of the object that the event shows: `sub_…`, `cs_…`, `dp_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// When it happened, by the originator's clock, in whole seconds.
    #[serde(with = "jiff::fmt::serde::timestamp::second::required")]
    pub occurred_at: Timestamp,
    /// When Tollgate first accepted it, in whole seconds.
    #[serde(with = "jiff::fmt::serde::timestamp::second::required")]
    pub received_at: Timestamp,
    /// Stripe's `livemode`; `None` for events that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub livemode: Option<bool>,
    /// The connected account of a Stripe Connect event (`account` at its top).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_account: Option<String>,
    /// How this copy came.
    pub via: Via,
    /// Which replay or which due time made this copy; sets it apart for SQS's
    /// deduplication, and for nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// What the event's object said, for a second look at lagging reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<Hint>,
}

/// Why a queue message is not an envelope that this build can act on.
///
/// Their own text repeats nothing of the message; a cause may.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Longer than [`MAX_ENVELOPE_BYTES`].
    #[error("the message has {0} bytes; an envelope has at most {MAX_ENVELOPE_BYTES}")]
    TooLong(usize),
    /// A `v` that is no version: 0, negative, a fraction, a text.
    #[error("the envelope's version is not a whole number from 1 to {}", u32::MAX)]
    NotAVersion,
    /// Written by a newer Tollgate.
    #[error(
        "envelope version {version} is newer than {ENVELOPE_VERSION}, the newest this worker reads; \
         deploy the newer worker and replay the event"
    )]
    FutureVersion {
        /// The version it has.
        version: u32,
        /// The event it names, where that much could be read.
        event: Option<EventRef>,
    },
    /// Not the JSON of an envelope.
    #[error("the message is not an envelope")]
    Malformed(#[source] serde_json::Error),
}

impl Envelope {
    /// What just came, with only what every event has; it happened now unless the
    /// caller says otherwise. Times are whole seconds.
    pub fn received(
        source: Source,
        via: Via,
        id: EventId,
        kind: &str,
        subject: Subject,
        now: Timestamp,
    ) -> Self {
        let now = whole_second(now);
        Self {
            v: ENVELOPE_VERSION,
            source,
            id,
            kind: kind.to_owned(),
            subject,
            object: None,
            occurred_at: now,
            received_at: now,
            livemode: None,
            connect_account: None,
            via,
            run: None,
            hint: None,
        }
    }

    /// Reads an envelope of any version up to [`ENVELOPE_VERSION`].
    ///
    /// # Errors
    /// [`EnvelopeError`]; the message cannot be acted on by this build.
    pub fn decode(text: &str) -> Result<Self, EnvelopeError> {
        #[derive(Deserialize)]
        struct Probe<'a> {
            #[serde(borrow)]
            v: &'a RawValue,
            #[serde(borrow)]
            source: Option<&'a RawValue>,
            #[serde(borrow)]
            id: Option<&'a RawValue>,
        }
        if text.len() > MAX_ENVELOPE_BYTES {
            return Err(EnvelopeError::TooLong(text.len()));
        }
        let probe: Probe<'_> = serde_json::from_str(text).map_err(EnvelopeError::Malformed)?;
        let version = serde_json::from_str(probe.v.get()).ok().filter(|version| *version > 0);
        let version: u32 = version.ok_or(EnvelopeError::NotAVersion)?;
        if version > ENVELOPE_VERSION {
            let source = probe.source.and_then(|raw| serde_json::from_str(raw.get()).ok());
            let id = probe.id.and_then(|raw| serde_json::from_str(raw.get()).ok());
            let event = source.zip(id).map(|(source, id)| EventRef { source, id });
            return Err(EnvelopeError::FutureVersion { version, event });
        }
        serde_json::from_str(text).map_err(EnvelopeError::Malformed)
    }

    /// The message body for the queue.
    pub fn encode(&self) -> String {
        json(self)
    }

    /// What names the event in the ledger.
    pub fn event_ref(&self) -> EventRef {
        EventRef { source: self.source, id: self.id.clone() }
    }

    /// What it shows, where it is one of Stripe's; of any other, a customer.
    pub fn about(&self) -> About {
        about(&self.kind)
    }

    /// The SQS message group: the account when the payload names it, else the
    /// customer, else the charge, else the event alone; a word, whatever these are. The wake for an
    /// account that was left between two plans stands alone: behind messages of the account that have
    /// failed it would wait until these come again.
    pub fn group(&self) -> Cow<'_, str> {
        match self.kind.as_str() {
            BETWEEN_PLANS | OLD_KEY_BETWEEN_PLANS => word_for(self.id.as_str()),
            _ => word_for(self.whom()),
        }
    }

    fn whom(&self) -> &str {
        let subject = &self.subject;
        subject
            .account
            .as_ref()
            .map(|account| account.id.as_str())
            .or_else(|| subject.customer.as_ref().map(CustomerId::as_str))
            .or_else(|| subject.charge.as_ref().map(ChargeId::as_str))
            .unwrap_or(self.id.as_str())
    }

    /// The SQS deduplication id: the event's id, set apart by its run and its source when
    /// replayed: a trigger's wake and a sweep's may have the same id.
    /// SQS remembers it for five minutes only; the ledger is the real guard.
    pub fn deduplication_id(&self) -> String {
        match &self.run {
            None => self.id.to_string(),
            Some(run) => word_for(&format!("{run}@{}", self.event_ref())).into_owned(),
        }
    }
}

/// How it stands in the queue's message: as JSON, of no characters but SQS's own. JSON leaves two
/// as they are that SQS does not take.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
pub(crate) fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value);
    let text = text.expect("an envelope has only string keys and finite numbers");
    match text.contains(['\u{fffe}', '\u{ffff}']) {
        true => text.replace('\u{fffe}', r"\ufffe").replace('\u{ffff}', r"\uffff"),
        false => text,
    }
}

/// The second that a time falls into: all that an envelope keeps of it.
pub(crate) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests;
