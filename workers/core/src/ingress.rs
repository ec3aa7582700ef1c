//! The doors: what comes from outside is verified, made thin, and put on the queue.
//!
//! Nothing is decided here and nothing is read but the message itself. 2xx is
//! answered only after the queue has the event.

use jiff::SignedDuration;
use serde_json::Value;
use tollgate_events::stripe::{ReadError, Reading, SignatureError, SigningSecret};
use tollgate_events::{Envelope, EventId, Source, cloudtrail, cognito, stripe};

use crate::ports::{Clock, PortError, Queue, QueueName};

/// The largest body that is looked at, in bytes; Stripe's events are far smaller.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// How old a signature may be by default; also what Stripe's libraries allow.
pub const DEFAULT_TOLERANCE: SignedDuration = SignedDuration::from_secs(300);

/// The webhook endpoint.
#[derive(Debug)]
pub struct Webhook<Q, C> {
    /// The endpoint's signing secrets; two while one is being rolled.
    pub secrets: Vec<SigningSecret>,
    /// How old a signature may be.
    pub tolerance: SignedDuration,
    /// Where events go.
    pub queue: Q,
    /// Time.
    pub clock: C,
}

/// What became of a webhook delivery.
#[derive(Debug)]
pub enum Delivery {
    /// On the queue.
    Queued {
        /// The event.
        envelope: Box<Envelope>,
    },
    /// Of a type that nothing needs.
    NotNeeded {
        /// The type.
        kind: String,
    },
    /// Of a type that is acted on, and about nobody who could ever be found: Stripe's sending it
    /// again would change nothing.
    NamesNobody {
        /// The event.
        event: EventId,
        /// Its type.
        kind: String,
    },
    /// Larger than [`MAX_BODY_BYTES`].
    TooLarge,
    /// Not signed by Stripe, or not now.
    BadSignature(SignatureError),
    /// Signed by Stripe, and still not an event: alarm.
    Unreadable(ReadError),
    /// The queue is down: Stripe is to send it again.
    QueueUnavailable(PortError),
}

impl Delivery {
    /// The HTTP status to answer with.
    pub fn status(&self) -> u16 {
        match self {
            Self::Queued { .. } | Self::NotNeeded { .. } | Self::NamesNobody { .. } => 200,
            Self::BadSignature(_) | Self::Unreadable(_) => 400,
            Self::TooLarge => 413,
            Self::QueueUnavailable(_) => 503,
        }
    }

    /// The word for logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::NotNeeded { .. } => "not_needed",
            Self::NamesNobody { .. } => "names_nobody",
            Self::TooLarge => "too_large",
            Self::BadSignature(_) => "bad_signature",
            Self::Unreadable(_) => "unreadable",
            Self::QueueUnavailable(_) => "queue_unavailable",
        }
    }
}

impl<Q: Queue, C: Clock> Webhook<Q, C> {
    /// Takes a delivery: the `Stripe-Signature` header and the raw body.
    pub async fn accept(&self, signature: Option<&str>, body: &[u8]) -> Delivery {
        if body.len() > MAX_BODY_BYTES {
            return Delivery::TooLarge;
        }
        let now = self.clock.now();
        if let Err(error) = stripe::verify(signature, body, &self.secrets, now, self.tolerance) {
            return Delivery::BadSignature(error);
        }
        match stripe::read(body, now) {
            Err(error) => Delivery::Unreadable(error),
            Ok(Reading::NotNeeded { kind }) => Delivery::NotNeeded { kind },
            Ok(Reading::NamesNobody { event, kind }) => Delivery::NamesNobody { event, kind },
            Ok(Reading::Envelope(envelope)) => {
                match self.queue.send(QueueName::Events, &envelope).await {
                    Ok(()) => Delivery::Queued { envelope },
                    Err(error) => Delivery::QueueUnavailable(error),
                }
            }
        }
    }
}

/// What the user pool tells: triggers, and CloudTrail's records.
#[derive(Debug)]
pub struct PoolIngress<Q, C> {
    /// The pool; others are ignored.
    pub pool_id: String,
    /// Where events go.
    pub queue: Q,
    /// Time.
    pub clock: C,
}

/// What became of an event of the user pool.
#[derive(Debug)]
pub enum PoolEvent {
    /// On the queue.
    Queued {
        /// The event.
        envelope: Box<Envelope>,
    },
    /// Nothing to do about it.
    NotNeeded,
    /// Of another pool.
    OtherPool,
    /// Not what Cognito or CloudTrail sends: alarm.
    Unreadable(String),
    /// The queue is down.
    QueueUnavailable(PortError),
}

impl PoolEvent {
    /// The word for logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::NotNeeded => "not_needed",
            Self::OtherPool => "other_pool",
            Self::Unreadable(_) => "unreadable",
            Self::QueueUnavailable(_) => "queue_unavailable",
        }
    }
}

impl<Q: Queue, C: Clock> PoolIngress<Q, C> {
    /// Takes a trigger's event. The caller echoes it whatever comes of it: a sign-in never
    /// fails because the queue is down, and the next one catches up.
    pub async fn trigger(&self, event: &Value) -> PoolEvent {
        match cognito::read(event, self.clock.now()) {
            Err(error) => PoolEvent::Unreadable(error.to_string()),
            Ok(trigger) if trigger.pool_id != self.pool_id => PoolEvent::OtherPool,
            Ok(trigger) => match trigger.reading {
                cognito::Reading::Nothing => PoolEvent::NotNeeded,
                cognito::Reading::Wake(envelope) => self.send(envelope).await,
            },
        }
    }

    /// Takes a CloudTrail record from EventBridge. A user's own `DeleteUser` names no
    /// pool: its sub tells, and one that is not ours finds no account with a key.
    pub async fn cloudtrail(&self, event: &Value) -> PoolEvent {
        match cloudtrail::read(event, self.clock.now()) {
            Err(error) => PoolEvent::Unreadable(error.to_string()),
            Ok(record) if record.pool_id.as_ref().is_some_and(|pool| *pool != self.pool_id) => {
                PoolEvent::OtherPool
            }
            Ok(record) => match record.reading {
                cloudtrail::Reading::Nothing => PoolEvent::NotNeeded,
                cloudtrail::Reading::Wake(envelope) => self.send(envelope).await,
            },
        }
    }

    async fn send(&self, envelope: Box<Envelope>) -> PoolEvent {
        // Sign-ups come in floods and cost a key each: they never go before what is paid for.
        let queue = match envelope.source {
            Source::Cloudtrail => QueueName::Events,
            _ => QueueName::Bulk,
        };
        match self.queue.send(queue, &envelope).await {
            Ok(()) => PoolEvent::Queued { envelope },
            Err(error) => PoolEvent::QueueUnavailable(error),
        }
    }
}
