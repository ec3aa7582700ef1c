//! Events: what Stripe says about each change, kept for 30 days.
//!
//! An event shows its object as it was when the event was made, in the newest API
//! shape; [`legacy`](super::legacy) rewrites it for older endpoints.
//! <https://docs.stripe.com/api/events/object>, <https://docs.stripe.com/api/events/types>

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::model::Event;
use super::objects::API_VERSION;
use super::state::Stripe;

/// How long the Events API shows an event. <https://docs.stripe.com/api/events>
pub const RETENTION: SignedDuration = SignedDuration::from_hours(24 * 30);

impl Event {
    /// As the Events API shows it.
    pub fn render(&self) -> Value {
        let request = self.request.as_ref();
        let mut event = json!({
            "id": self.id,
            "object": "event",
            "api_version": API_VERSION,
            "created": self.created.as_second(),
            "data": {},
            "livemode": self.livemode,
            "pending_webhooks": self.deliveries.iter().filter(|d| !d.succeeded).count(),
            "request": {
                "id": request.map(|r| &r.id),
                "idempotency_key": request.and_then(|r| r.idempotency_key.as_ref()),
            },
            "type": self.kind,
        });
        // Moved in: `json!` would copy them once more.
        event["data"]["object"] = self.object.clone();
        if let Some(previous) = &self.previous {
            event["data"]["previous_attributes"] = previous.clone();
        }
        event
    }

    /// Whether every endpoint that wanted it has it.
    pub fn delivered(&self) -> bool {
        self.deliveries.iter().all(|delivery| delivery.succeeded)
    }
}

impl Stripe {
    /// Makes an event and puts it up for every endpoint that wants its type.
    pub(super) fn emit(&mut self, kind: &'static str, object: Value) {
        self.emit_change(kind, object, None);
    }

    /// Makes an event that says what changed.
    pub(super) fn emit_change(
        &mut self,
        kind: &'static str,
        object: Value,
        previous: Option<Value>,
    ) {
        if kind.starts_with("customer.subscription.") {
            self.remember(object["id"].as_str().unwrap_or_default());
        }
        let id = self.mint("evt_1");
        let (number, now) = (self.minted, self.wall.unwrap_or(self.now));
        let deliveries = self.attempts_for(kind);
        for attempt in &deliveries {
            self.outbox.insert((now, number, attempt.endpoint.clone()));
        }
        let event = Event {
            id: id.clone(),
            number,
            created: now,
            kind,
            object,
            previous,
            request: self.request.clone(),
            livemode: self.settings.livemode,
            deliveries,
        };
        self.by_number.insert(number, id.clone());
        self.events.insert(&id, event);
    }

    /// Forgets the events that are out of the Events API's reach.
    pub(super) fn forget_old_events(&mut self) {
        let oldest = self.now - RETENTION;
        for event in self.events.forget(|event| event.created < oldest) {
            self.by_number.remove(&event.number);
        }
    }

    /// An event.
    pub fn event(&self, id: &str) -> Option<&Event> {
        self.events.get(id)
    }

    /// The events of the last 30 days, newest first.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.newest_first()
    }
}

/// `previous_attributes`: the fields of `before` that are different in `after`, with
/// nested objects reduced to what changed and lists shown whole.
pub(super) fn previous_attributes(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return None;
    };
    let mut changed = Map::new();
    for (key, old) in before {
        let new = after.get(key).unwrap_or(&Value::Null);
        if old == new {
            continue;
        }
        let shown = if old.get("object") == Some(&json!("list")) {
            json!({ "data": old["data"] })
        } else {
            previous_attributes(old, new).unwrap_or_else(|| old.clone())
        };
        changed.insert(key.clone(), shown);
    }
    for key in after.keys().filter(|key| !before.contains_key(*key)) {
        changed.insert(key.clone(), Value::Null);
    }
    (!changed.is_empty()).then_some(Value::Object(changed))
}

impl Stripe {
    /// An event that shows an object as it is now.
    pub(super) fn tell(&mut self, kind: &'static str, id: &str) {
        if let Some(object) = self.object(id) {
            self.emit(kind, object);
        }
    }

    /// Changes an object and, when that shows, tells it with `previous_attributes`.
    pub(super) fn change(&mut self, kind: &'static str, id: &str, change: impl FnOnce(&mut Self)) {
        let before = self.object(id);
        change(self);
        let after = self.object(id);
        if let (Some(before), Some(after)) = (before, after)
            && let Some(previous) = previous_attributes(&before, &after)
        {
            self.emit_change(kind, after, Some(previous));
        }
    }
}
