//! Where events come from, oldest first, a few at a time.
//!
//! Memory does not grow with the number of events, except by the names of those that are
//! asked for one by one, or stand in the index of what waits or is parked.

use std::vec::IntoIter;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use tollgate_core::ports::{Ledger, PortResult, Stripe};
use tollgate_core::scan::Pages;
use tollgate_events::EventRef;

use super::listed::{EventPage, TooOld, Windows, by_id, whole};
use super::selection::{Selected, Selection};

/// How many records are read at once.
const AT_ONCE: usize = 10;

/// The selected events, in the order of time.
#[derive(Debug)]
pub struct EventSource<'a, L, S> {
    ledger: &'a L,
    selection: Selection,
    way: Way<'a, S>,
    missing: Vec<EventRef>,
}

/// How they are found.
#[derive(Debug)]
enum Way<'a, S> {
    /// The ledger's records of a time, page by page.
    Recent(Paging),
    /// By name, each read when its turn comes; `None` until the names are known.
    Names(Option<IntoIter<EventRef>>),
    /// Stripe's own list, window by window.
    Windows(&'a S, Windows),
    /// Stripe's, by id; `None` when they have been read.
    Ids(Option<&'a S>),
}

/// Where a listing stands.
#[derive(Debug)]
enum Paging {
    At(Option<String>),
    Ended,
}

impl<'a, L: Ledger, S: Stripe> EventSource<'a, L, S> {
    /// The ledger's records. Names are read directly, what waits or is parked comes from its
    /// index, and only what is selected otherwise is looked for in all that was recorded in
    /// its time, up to `now`.
    pub fn recorded(ledger: &'a L, mut selection: Selection, now: Timestamp) -> Self {
        // Nothing is recorded in the future, and each day costs calls.
        selection.to = selection.to.min(now);
        let by_name = !selection.ids.is_empty() || selection.is_unsettled();
        let way = if by_name { Way::Names(None) } else { Way::Recent(Paging::At(None)) };
        Self { ledger, selection, way, missing: Vec::new() }
    }

    /// Stripe's own list, which goes back 30 days.
    ///
    /// # Errors
    /// [`TooOld`]: it is asked for more.
    pub fn listed(
        ledger: &'a L,
        stripe: &'a S,
        mut selection: Selection,
        undelivered_only: bool,
        now: Timestamp,
    ) -> Result<Self, TooOld> {
        selection.to = selection.to.min(now);
        // Stripe tells whole seconds: what was in the first one is not before it.
        selection.from = whole(selection.from);
        let way = if selection.ids.is_empty() {
            let windows = Windows::new(&selection, undelivered_only, now)?;
            Way::Windows(stripe, windows)
        } else {
            Way::Ids(Some(stripe))
        };
        Ok(Self { ledger, selection, way, missing: Vec::new() })
    }

    /// The names that were asked for and are not there, as far as it has looked.
    pub fn missing(&self) -> &[EventRef] {
        &self.missing
    }

    /// The next few; none at all at the end.
    ///
    /// # Errors
    /// A call failed. Go on with a new source, from where the last one got.
    pub async fn next(&mut self) -> PortResult<Option<EventPage>> {
        match &mut self.way {
            Way::Recent(Paging::Ended) => Ok(None),
            Way::Recent(Paging::At(page)) => {
                let page = page.clone();
                self.next_page(page.as_deref()).await.map(Some)
            }
            Way::Names(None) => {
                let mut few = EventPage::default();
                self.way = Way::Names(Some(self.names(&mut few).await?));
                Ok(Some(few))
            }
            Way::Names(Some(names)) => {
                let next: Vec<_> = names.by_ref().take(AT_ONCE).collect();
                if next.is_empty() { Ok(None) } else { self.read(&next).await.map(Some) }
            }
            Way::Windows(stripe, windows) => windows.next(*stripe, &self.selection).await,
            Way::Ids(stripe) => {
                let Some(stripe) = stripe.take() else { return Ok(None) };
                by_id(stripe, &self.selection, &mut self.missing).await.map(Some)
            }
        }
    }

    async fn next_page(&mut self, page: Option<&str>) -> PortResult<EventPage> {
        let (from, to) = (self.selection.from, self.selection.to);
        let page = self.ledger.events(from, to, page).await?;
        self.way = Way::Recent(page.next.map_or(Paging::Ended, |next| Paging::At(Some(next))));
        let until = page.items.last().map(|event| event.first_at);
        let unreadable = page.unreadable.len();
        let looked_at = page.items.len() + unreadable;
        let found = page.items.into_iter().map(Selected::recorded);
        let found = found.filter(|event| self.selection.takes(event)).collect();
        Ok(EventPage { found, looked_at, unreadable, until })
    }

    /// The names of the selected events, oldest first; counts what was looked at.
    async fn names(&mut self, few: &mut EventPage) -> PortResult<IntoIter<EventRef>> {
        let mut names = Vec::new();
        if self.selection.ids.is_empty() {
            let mut at = Pages::start();
            while let Some(token) = at.turn() {
                let unsettled = at.past(self.ledger.unsettled(token.as_deref()).await?);
                few.unreadable += unsettled.unreadable.len();
                few.looked_at += unsettled.items.len() + unsettled.unreadable.len();
                let found = unsettled.items.into_iter().map(Selected::recorded);
                let found = found.filter(|event| self.selection.takes(event));
                names.extend(found.map(|event| (event.at, event.name())));
            }
        } else {
            for some in self.selection.ids.iter().collect::<Vec<_>>().chunks(AT_ONCE) {
                few.looked_at += some.len();
                let read = try_join_all(some.iter().map(|name| self.ledger.event(name))).await?;
                for (name, read) in some.iter().zip(read) {
                    match read {
                        Some(event) => names.push((event.first_at, (*name).clone())),
                        None => self.missing.push((*name).clone()),
                    }
                }
            }
        }
        names.sort();
        Ok(names.into_iter().map(|(_, name)| name).collect::<Vec<_>>().into_iter())
    }

    /// Events by name, as they are now: what is not selected any more is passed over.
    async fn read(&self, names: &[EventRef]) -> PortResult<EventPage> {
        let read = try_join_all(names.iter().map(|name| self.ledger.event(name))).await?;
        let found: Vec<_> = read.into_iter().flatten().map(Selected::recorded).collect();
        let until = found.last().map(|event| event.at);
        let found = found.into_iter().filter(|event| self.selection.takes(event)).collect();
        Ok(EventPage { found, until, ..EventPage::default() })
    }
}

/// Adds to Stripe's events how the ledger has them, where it has them.
///
/// # Errors
/// The ledger failed.
pub async fn look_up<L: Ledger>(ledger: &L, events: &mut [Selected]) -> PortResult<()> {
    for some in events.chunks_mut(AT_ONCE) {
        let names: Vec<_> = some.iter().map(Selected::name).collect();
        let records = try_join_all(names.iter().map(|name| ledger.event(name))).await?;
        for (event, record) in some.iter_mut().zip(records) {
            event.record = record;
        }
    }
    Ok(())
}
