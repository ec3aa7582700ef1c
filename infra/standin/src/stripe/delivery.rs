//! Webhook endpoints and what is sent to them.
//!
//! Each attempt is signed afresh. What is not answered with 2xx is tried again with
//! growing pauses, in live mode for three days, in a sandbox three times within some hours; a
//! redirect is a failure. The caller decides when, in which order and how often deliveries go
//! out, for Stripe promises none of that.
//! <https://docs.stripe.com/webhooks#behaviors>, <https://docs.stripe.com/webhooks#verify-manually>

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::Sha256;

use super::customers::merge;
use super::error::{StripeError, StripeResult};
use super::legacy;
use super::model::{Attempts, Endpoint, Metadata};
use super::objects::API_VERSION;
use super::state::Stripe;

/// How long Stripe tries in live mode. <https://docs.stripe.com/webhooks#retries>
pub const RETRY_FOR: SignedDuration = SignedDuration::from_hours(72);

/// The pauses after each failed attempt, in minutes; the last repeats. Stripe publishes
/// only "up to three days with an exponential back off"; these are of that kind.
const PAUSES: [i64; 7] = [5, 30, 120, 240, 480, 960, 1440];

/// The same in a sandbox, where there are no more: "three times over the course of a few hours".
const SANDBOX_PAUSES: [i64; 3] = [5, 60, 180];

/// When a delivery is tried again after its `made`th attempt, which has failed now.
fn next_attempt(as_live: bool, made: u32, created: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let failed = made as usize - 1;
    let pause =
        if as_live { PAUSES[failed.min(PAUSES.len() - 1)] } else { *SANDBOX_PAUSES.get(failed)? };
    let next = now + SignedDuration::from_mins(pause);
    (!as_live || next <= created + RETRY_FOR).then_some(next)
}

/// A webhook endpoint to be registered.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// Where events are posted.
    pub url: String,
    /// Which types; `*` stands for all.
    pub enabled_events: Vec<String>,
    /// The shape of its events; the newest when none is given.
    pub api_version: Option<String>,
    /// Its metadata.
    pub metadata: Metadata,
}

/// What `POST /v1/webhook_endpoints/{id}` changes; an endpoint's version never changes.
#[derive(Debug, Clone, Default)]
pub struct EndpointUpdate {
    /// Which types from now on.
    pub enabled_events: Option<Vec<String>>,
    /// Whether events are held back from it.
    pub disabled: Option<bool>,
    /// What is merged into its metadata.
    pub metadata: Metadata,
}

impl NewEndpoint {
    /// An endpoint for every type, in the newest shape.
    pub fn for_all(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            enabled_events: vec!["*".into()],
            api_version: None,
            metadata: Metadata::new(),
        }
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("id", &self.id).field("url", &self.url).finish()
    }
}

impl Endpoint {
    fn wants(&self, kind: &str) -> bool {
        self.enabled && self.enabled_events.iter().any(|wanted| wanted == "*" || wanted == kind)
    }

    /// <https://docs.stripe.com/api/webhook_endpoints/object>, without the secret.
    pub(super) fn show(&self, livemode: bool) -> Value {
        json!({
            "id": self.id,
            "object": "webhook_endpoint",
            "api_version": self.api_version,
            "application": null,
            "created": self.created.as_second(),
            "description": null,
            "enabled_events": self.enabled_events,
            "livemode": livemode,
            "metadata": self.metadata,
            "status": if self.enabled { "enabled" } else { "disabled" },
            "url": self.url,
        })
    }
}

/// One delivery, ready to be sent, as often as one likes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// `evt_…`
    pub event: String,
    /// The event's type.
    pub kind: &'static str,
    /// To which endpoint.
    pub endpoint: String,
    /// The endpoint's URL.
    pub url: String,
    /// The event, in the endpoint's shape.
    pub body: String,
}

/// How a delivery was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryAnswer {
    /// With this HTTP status.
    Status(u16),
    /// Not at all, or too late.
    None,
}

impl DeliveryAnswer {
    fn is_success(self) -> bool {
        matches!(self, Self::Status(200..=299))
    }
}

impl Stripe {
    /// `POST /v1/webhook_endpoints`. Returns the id and the signing secret, which is
    /// shown only now.
    pub fn create_endpoint(&mut self, new: NewEndpoint) -> (String, String) {
        let id = self.mint("we_1");
        let secret = self.mint("whsec_");
        let endpoint = Endpoint {
            id: id.clone(),
            created: self.now,
            url: new.url,
            enabled_events: new.enabled_events,
            api_version: new.api_version,
            enabled: true,
            metadata: new.metadata,
            secrets: vec![(secret.clone(), None)],
        };
        self.endpoints.insert(&id, endpoint);
        (id, secret)
    }

    /// `POST /v1/webhook_endpoints/{id}`.
    ///
    /// # Errors
    /// No such endpoint.
    pub fn update_endpoint(&mut self, endpoint: &str, update: EndpointUpdate) -> StripeResult<()> {
        let row = self.endpoints.get_mut(endpoint);
        let row = row.ok_or_else(|| StripeError::missing("webhook_endpoint", endpoint))?;
        if let Some(enabled_events) = update.enabled_events {
            row.enabled_events = enabled_events;
        }
        if let Some(disabled) = update.disabled {
            row.enabled = !disabled;
        }
        merge(&mut row.metadata, &update.metadata);
        Ok(())
    }

    /// `DELETE /v1/webhook_endpoints/{id}`: what was on its way to it is dropped.
    ///
    /// # Errors
    /// No such endpoint.
    pub fn delete_endpoint(&mut self, endpoint: &str) -> StripeResult<()> {
        let removed = self.endpoints.remove(endpoint);
        removed.ok_or_else(|| StripeError::missing("webhook_endpoint", endpoint))?;
        self.outbox.retain(|(_, _, to)| to != endpoint);
        Ok(())
    }

    /// The webhook endpoints, newest first.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.newest_first()
    }

    /// Rolls an endpoint's secret: until `overlap` has passed, at most 24 hours, both
    /// sign. <https://docs.stripe.com/webhooks#roll-endpoint-secrets>
    ///
    /// # Errors
    /// No such endpoint; an overlap longer than 24 hours.
    pub fn roll_secret(&mut self, endpoint: &str, overlap: SignedDuration) -> StripeResult<String> {
        if overlap > SignedDuration::from_hours(24) {
            return Err(StripeError::invalid("a rolled secret lives for at most 24 hours"));
        }
        let (secret, end) = (self.mint("whsec_"), self.now + overlap);
        let row = self.endpoints.get_mut(endpoint);
        let row = row.ok_or_else(|| StripeError::missing("webhook_endpoint", endpoint))?;
        row.secrets.truncate(1);
        for (_, until) in &mut row.secrets {
            *until = Some(end);
        }
        row.secrets.insert(0, (secret.clone(), None));
        Ok(secret)
    }

    /// Disables an endpoint, or enables it again.
    ///
    /// # Errors
    /// No such endpoint.
    pub fn enable_endpoint(&mut self, endpoint: &str, enabled: bool) -> StripeResult<()> {
        let row = self.endpoints.get_mut(endpoint);
        row.ok_or_else(|| StripeError::missing("webhook_endpoint", endpoint))?.enabled = enabled;
        Ok(())
    }

    /// The endpoints that want a type, each with no attempt yet.
    pub(super) fn attempts_for(&self, kind: &str) -> Vec<Attempts> {
        let wanting = self.endpoints.newest_first().rev().filter(|e| e.wants(kind));
        wanting
            .map(|endpoint| Attempts {
                endpoint: endpoint.id.clone(),
                made: 0,
                succeeded: false,
                next: Some(self.now),
            })
            .collect()
    }

    /// What is due to be sent, oldest event first. Nothing changes by looking.
    pub fn due_deliveries(&self) -> Vec<Delivery> {
        let due = self.due_numbers().into_iter();
        due.filter_map(|(number, id)| self.delivery(number, id)).collect()
    }

    /// The same as event and endpoint, to be [rendered](Self::redeliver) one by one.
    pub fn due_names(&self) -> Vec<(&str, &str)> {
        let due = self.due_numbers().into_iter();
        due.filter_map(|(number, id)| Some((self.by_number.get(&number)?.as_str(), id))).collect()
    }

    fn due_numbers(&self) -> Vec<(u64, &str)> {
        let due = self.outbox.iter().take_while(|(time, _, _)| *time <= self.now);
        let mut due: Vec<_> = due.map(|(_, number, id)| (*number, id.as_str())).collect();
        due.sort_unstable();
        due
    }

    /// When the next delivery is due.
    pub fn next_delivery(&self) -> Option<Timestamp> {
        self.outbox.first().map(|(time, _, _)| *time)
    }

    /// When the next delivery is due that is not due already.
    pub fn next_delivery_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.outbox.iter().map(|(time, _, _)| *time).find(|time| *time > now)
    }

    /// Takes what is due and counts it as delivered: for a caller that carries events
    /// to their reader by itself, in whatever order and number.
    pub fn take_pending(&mut self) -> Vec<Delivery> {
        let due = self.due_deliveries();
        for delivery in &due {
            self.settle(delivery, DeliveryAnswer::Status(200));
        }
        due
    }

    /// An event for an endpoint once more, as when one clicks "resend".
    pub fn redeliver(&self, event: &str, endpoint: &str) -> Option<Delivery> {
        self.delivery(self.event(event)?.number, endpoint)
    }

    fn delivery(&self, number: u64, endpoint: &str) -> Option<Delivery> {
        let event = self.events.get(self.by_number.get(&number)?)?;
        let endpoint = self.endpoints.get(endpoint)?;
        let version = endpoint.api_version.as_deref().unwrap_or(API_VERSION);
        Some(Delivery {
            event: event.id.clone(),
            kind: event.kind,
            endpoint: endpoint.id.clone(),
            url: endpoint.url.clone(),
            body: self.text_of(legacy::event_in(version, event.render())),
        })
    }

    /// The `Stripe-Signature` header for a delivery that goes out now: one `v1` for each
    /// secret in force.
    pub fn sign(&self, delivery: &Delivery) -> String {
        let time = self.now.as_second();
        let secrets = self.endpoints.get(&delivery.endpoint).map_or(&[][..], |e| &e.secrets);
        let live = secrets.iter().filter(|(_, end)| end.is_none_or(|end| end > self.now));
        let signatures: String =
            live.map(|(secret, _)| format!(",v1={}", hmac(secret, time, &delivery.body))).collect();
        format!("t={time}{signatures}")
    }

    /// Books the answer to a delivery. Without success it is due again after a pause,
    /// as long as Stripe tries in this mode.
    pub fn settle(&mut self, delivery: &Delivery, answer: DeliveryAnswer) {
        let now = self.now;
        let Some(event) = self.events.get_mut(&delivery.event) else { return };
        let (number, created) = (event.number, event.created);
        let attempts = event.deliveries.iter_mut().find(|a| a.endpoint == delivery.endpoint);
        let Some(attempts) = attempts else { return };
        if let Some(next) = attempts.next.take() {
            self.outbox.remove(&(next, number, delivery.endpoint.clone()));
        }
        attempts.made += 1;
        attempts.succeeded |= answer.is_success();
        if attempts.succeeded {
            return;
        }
        let as_live = self.settings.livemode || self.settings.sends_again_as_live;
        attempts.next = next_attempt(as_live, attempts.made, created, now);
        if let Some(next) = attempts.next {
            self.outbox.insert((next, number, delivery.endpoint.clone()));
        }
    }
}

/// Stripe's `v1` scheme: HMAC-SHA256 of `{t}.{body}`, keyed with the whole secret.
/// Stands here on its own so that a mistake in Tollgate's verifier cannot hide behind
/// the same mistake in the signer.
fn hmac(secret: &str, time: i64, body: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{time}.{body}").as_bytes());
    hex::encode(mac.finalize().into_bytes())
}
