//! Stripe's own list of events, turned round: it comes newest first, and is wanted oldest
//! first.
//!
//! It is read in windows of time, oldest window first, each small enough to be held and
//! reversed. A window that has too much in it is made smaller, and those after one that has
//! little become larger.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tollgate_core::ports::{ChargeSeen, PortResult, Stripe};
use tollgate_core::scan::Pages;
use tollgate_core::stripe::ListedEvent;
use tollgate_events::{ChargeId, CustomerId, Envelope, EventRef, Source};

use super::selection::{Selected, Selection};

/// How far back Stripe's list goes. <https://docs.stripe.com/api/events>
pub const LISTED_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The most that is held of one window.
const MOST: usize = 1000;
const SECOND: SignedDuration = SignedDuration::from_secs(1);
const FIRST: SignedDuration = SignedDuration::from_hours(1);
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// The next few events.
#[derive(Debug, Default)]
pub struct EventPage {
    /// Those that were selected, oldest first.
    pub found: Vec<Selected>,
    /// How many were looked at.
    pub looked_at: usize,
    /// How many cannot be read: Stripe's that are not what Stripe sends, and the ledger's that
    /// are no events of this build's.
    pub unreadable: usize,
    /// All that are older than this have been looked at.
    pub until: Option<Timestamp>,
}

/// Stripe's list does not go back as far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Stripe lists the events of the last 30 days, not from {from} on")]
pub struct TooOld {
    /// What was asked for.
    pub from: Timestamp,
    /// The oldest time that can be asked for.
    pub oldest: Timestamp,
}

/// Where the reading stands.
#[derive(Debug)]
pub(super) struct Windows {
    from: Timestamp,
    span: SignedDuration,
    undelivered_only: bool,
    customers: Customers,
}

impl Windows {
    pub(super) fn new(
        selection: &Selection,
        undelivered_only: bool,
        now: Timestamp,
    ) -> Result<Self, TooOld> {
        let oldest = whole(now.saturating_sub(LISTED_FOR).expect("a duration has no calendar"));
        let from = selection.from;
        if from < oldest {
            return Err(TooOld { from, oldest });
        }
        Ok(Self { from, span: FIRST, undelivered_only, customers: Customers::default() })
    }

    /// The next window, oldest event first.
    pub(super) async fn next<S: Stripe>(
        &mut self,
        stripe: &S,
        selection: &Selection,
    ) -> PortResult<Option<EventPage>> {
        while self.from <= selection.to {
            // Stripe counts in seconds, and both ends belong to a window.
            let end = later(self.from, self.span.saturating_sub(SECOND)).min(selection.to);
            let Some(events) = self.read(stripe, end).await? else {
                self.span = (self.span / 4).max(SECOND);
                continue;
            };
            if events.len() < MOST / 8 {
                self.span = self.span.saturating_mul(2).min(LONGEST);
            }
            let mut few = EventPage { looked_at: events.len(), ..EventPage::default() };
            for event in events.into_iter().rev() {
                few.add(event, stripe, selection, &mut self.customers).await?;
            }
            self.from = later(whole(end), SECOND);
            few.until = Some(self.from);
            return Ok(Some(few));
        }
        Ok(None)
    }

    /// Everything up to `end`, newest first; `None` when that is too much, unless it is all
    /// of one second.
    async fn read<S: Stripe>(
        &self,
        stripe: &S,
        end: Timestamp,
    ) -> PortResult<Option<Vec<ListedEvent>>> {
        let (mut events, mut at) = (Vec::new(), Pages::start());
        while let Some(token) = at.turn() {
            if events.len() >= MOST && self.span > SECOND {
                return Ok(None);
            }
            let read = stripe.events(self.from, end, self.undelivered_only, token.as_deref());
            let read = at.past(read.await?);
            events.extend(read.items);
            let odd = read.unreadable.iter().map(ToString::to_string);
            events.extend(odd.map(ListedEvent::Unreadable));
        }
        Ok(Some(events))
    }
}

/// The events of these ids, oldest first.
pub(super) async fn by_id<S: Stripe>(
    stripe: &S,
    selection: &Selection,
    missing: &mut Vec<EventRef>,
) -> PortResult<EventPage> {
    let mut few = EventPage { looked_at: selection.ids.len(), ..EventPage::default() };
    let mut customers = Customers::default();
    for name in &selection.ids {
        let event = if is_stripes(name) { stripe.event(&name.id).await? } else { None };
        match event {
            Some(event) => few.add(event, stripe, selection, &mut customers).await?,
            None => missing.push(name.clone()),
        }
    }
    few.found.sort_by_key(|event| event.at);
    few.until = few.found.last().map(|event| event.at);
    Ok(few)
}

impl EventPage {
    async fn add<S: Stripe>(
        &mut self,
        event: ListedEvent,
        stripe: &S,
        selection: &Selection,
        customers: &mut Customers,
    ) -> PortResult<()> {
        match event {
            ListedEvent::NotNeeded => {}
            ListedEvent::Unreadable(_) => self.unreadable += 1,
            ListedEvent::Needed(mut envelope) => {
                if selection.about.is_some() {
                    customers.fill_in(&mut envelope, stripe).await?;
                }
                let event = Selected::listed(envelope);
                self.found.extend(selection.takes(&event).then_some(event));
            }
        }
        Ok(())
    }
}

/// The customers of charges: a dispute does not name its customer.
#[derive(Debug, Default)]
struct Customers(BTreeMap<ChargeId, Option<CustomerId>>);

impl Customers {
    async fn fill_in<S: Stripe>(&mut self, event: &mut Envelope, stripe: &S) -> PortResult<()> {
        let Some(charge) = event.subject.charge.clone() else { return Ok(()) };
        if !self.0.contains_key(&charge) {
            let customer = match stripe.charge(&charge).await? {
                ChargeSeen::There(customer) => customer,
                ChargeSeen::Missing => None,
            };
            self.0.insert(charge.clone(), customer);
        }
        let customer = self.0.get(&charge).cloned().flatten();
        event.subject.customer = event.subject.customer.take().or(customer);
        Ok(())
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).expect("a duration has no calendar")
}

pub(super) fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// Whether Stripe can be asked for an event of this name.
fn is_stripes(name: &EventRef) -> bool {
    name.source == Source::Stripe
}
