//! Stripe's Events API: what was, and what an endpoint still lacks.
//!
//! Each event is read by the webhook's own reader, so its JSON is kept whole until then.

use jiff::Timestamp;
use serde_json::json;
use tollgate_core::ports::{Page, PortResult};
use tollgate_core::stripe::ListedEvent;
use tollgate_events::EventId;
use tollgate_events::stripe::ACTED_ON;

use super::answer::{Object, Odd};
use super::{Call, StripeApi, segment, unless_not_found};

impl StripeApi {
    /// One page; Stripe takes at most 20 types.
    pub(super) async fn list_events(
        &self,
        from: Timestamp,
        to: Timestamp,
        undelivered_only: bool,
        page: Option<&str>,
    ) -> PortResult<Page<ListedEvent>> {
        let mut query = json!({
            "created": { "gte": from.as_second(), "lte": to.as_second() },
            "types": ACTED_ON,
        });
        if undelivered_only {
            query["delivery_success"] = false.into();
        }
        self.page("GET /v1/events", "/events", query, page, read).await
    }

    pub(super) async fn read_event(&self, event: &EventId) -> PortResult<Option<ListedEvent>> {
        let path = format!("/events/{}", segment(event.as_str()));
        let found = self.send(Call::get("GET /v1/events/:id", path)).await;
        unless_not_found(found)?.map(|answer| answer.read(read)).transpose()
    }
}

fn read(event: &Object<'_>) -> Result<ListedEvent, Odd> {
    Ok(ListedEvent::read(event.raw().as_bytes()))
}
