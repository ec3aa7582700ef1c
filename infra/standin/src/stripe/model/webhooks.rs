//! Webhook endpoints, events, and how their deliveries fared.

use jiff::Timestamp;
use serde_json::Value;

use super::Metadata;

/// A webhook endpoint.
#[derive(Clone)]
pub struct Endpoint {
    /// `we_…`
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Where events are posted.
    pub url: String,
    /// Which types; `*` stands for all.
    pub enabled_events: Vec<String>,
    /// The shape of its events, fixed when it was made.
    pub api_version: Option<String>,
    /// Whether events are sent to it.
    pub enabled: bool,
    /// Its metadata.
    pub metadata: Metadata,
    /// Its signing secrets, newest first; an old one has an end.
    pub(in crate::stripe) secrets: Vec<(String, Option<Timestamp>)>,
}

/// How the deliveries of one event to one endpoint fare.
#[derive(Debug, Clone)]
pub(in crate::stripe) struct Attempts {
    pub(in crate::stripe) endpoint: String,
    pub(in crate::stripe) made: u32,
    pub(in crate::stripe) succeeded: bool,
    pub(in crate::stripe) next: Option<Timestamp>,
}

/// An event and how its deliveries fared.
#[derive(Debug, Clone)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    /// Where it stands in the order of all events.
    pub number: u64,
    /// When it was made.
    pub created: Timestamp,
    /// Its type.
    pub kind: &'static str,
    /// The object after the change.
    pub object: Value,
    /// What changed, on `*.updated`.
    pub previous: Option<Value>,
    pub(in crate::stripe) request: Option<RequestInfo>,
    pub(in crate::stripe) livemode: bool,
    pub(in crate::stripe) deliveries: Vec<Attempts>,
}

/// The API request that caused an event.
#[derive(Debug, Clone)]
pub(in crate::stripe) struct RequestInfo {
    pub(in crate::stripe) id: String,
    pub(in crate::stripe) idempotency_key: Option<String>,
}
