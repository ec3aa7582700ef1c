//! Stripe's Events API: what was, and what an endpoint still lacks.
//!
//! Each event is read by the webhook's own reader, so its JSON is kept whole until then.

use jiff::Timestamp;
use miniserde::json::{Value as Json, to_string};
use serde_json::json;
use tollgate_billing::ports::{Page, PortResult};
use tollgate_billing::stripe::ListedEvent;
use tollgate_events::EventId;
use tollgate_events::stripe::ACTED_ON;

use super::views::{Listed, id_of};
use super::{Call, StripeApi, segment, unless_not_found};

impl Listed for Json {
    fn id(&self) -> &str {
        id_of(self).unwrap_or_default()
    }
}

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
        let page = self.page::<Json>("GET /v1/events", "/events", query, page).await?;
        Ok(Page { items: page.items.iter().map(read).collect(), next: page.next })
    }

    pub(super) async fn read_event(&self, event: &EventId) -> PortResult<Option<ListedEvent>> {
        let path = format!("/events/{}", segment(event.as_str()));
        let found = self.send(Call::<Json>::get("GET /v1/events/:id", path)).await;
        Ok(unless_not_found(found)?.as_ref().map(read))
    }
}

fn read(event: &Json) -> ListedEvent {
    ListedEvent::read(to_string(event).as_bytes())
}
