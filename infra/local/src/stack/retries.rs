//! What failed comes again: by SQS's redelivery, by Stripe's retries, by whoever called.

use anyhow::bail;
use jiff::Timestamp;
use tollgate_core::ports::Ledger;
use tollgate_core::timing::SECOND_LOOK_AFTER;
use tollgate_standin::world::{BULK_QUEUE, DEAD_LETTER_QUEUES, EVENTS_QUEUE, VISIBILITY};

use super::Stack;

/// How often something that failed is tried at most, at once and over time.
const MOST_TRIES: usize = 50;
const MOST_WAITS: usize = 200;

/// How often a thing is tried; without faults, it succeeds at once.
pub(super) fn most(faults: bool) -> usize {
    if faults { MOST_TRIES } else { 1 }
}

impl Stack {
    /// Waits until nothing that failed is left to come again: SQS's redelivery, Stripe's
    /// retries, second looks; and until a write that was not answered holds no account any
    /// more. Without faults, nothing does.
    ///
    /// # Errors
    /// As for [`settle`](Self::settle); or there is no end of it.
    pub async fn wait_out(&self) -> anyhow::Result<()> {
        for _ in 0..MOST_WAITS {
            self.settle().await?;
            let now = self.clock().time();
            if let Some(again) = self.next_retry() {
                self.wait_until(again).await?;
                continue;
            }
            let due = self.due_until(now.checked_add(SECOND_LOOK_AFTER)?).await?;
            if let Some(look) = due.into_iter().min() {
                self.world.stripe.advance_to(look);
                self.sweep().await?;
                continue;
            }
            let Some(lease) = self.last_lease(now).await? else { return Ok(()) };
            self.wait_until(lease).await?;
        }
        bail!("what failed comes again without end")
    }

    /// Minutes are waited for as they are; in longer times other things happen too.
    async fn wait_until(&self, time: Timestamp) -> anyhow::Result<()> {
        let wait = self.clock().time().duration_until(time);
        if wait <= VISIBILITY {
            self.world.stripe.advance_to(time);
            return Ok(());
        }
        self.advance(wait).await
    }

    /// How often a caller that does not give up calls: EventBridge for a day, a schedule
    /// every minute, a person who was told to try again.
    pub(crate) fn tries(&self) -> usize {
        most(self.faults.is_some())
    }

    /// When messages and deliveries that failed come again.
    fn next_retry(&self) -> Option<Timestamp> {
        let now = self.clock().time();
        let delivery = self.world.stripe.account().next_delivery();
        let times = std::iter::once(delivery).chain(self.next_visible());
        times.flatten().filter(|at| *at > now).min()
    }

    /// When accounts are due, up to a time.
    pub(super) async fn due_until(&self, until: Timestamp) -> anyhow::Result<Vec<Timestamp>> {
        let (mut times, mut page) = (Vec::new(), None);
        loop {
            let due = self.ledger.due(until, page.as_deref()).await?;
            times.extend(due.items.into_iter().map(|(_, at)| at));
            page = due.next;
            if page.is_none() {
                return Ok(times);
            }
        }
    }

    /// When the last of the leases that are left ends.
    async fn last_lease(&self, now: Timestamp) -> anyhow::Result<Option<Timestamp>> {
        let (mut last, mut page) = (None, None);
        loop {
            let accounts = self.ledger.accounts(page.as_deref()).await?;
            let leases = accounts.items.into_iter().filter_map(|account| account.lease_until);
            last = leases.filter(|until| *until > now).chain(last).max();
            page = accounts.next;
            if page.is_none() {
                return Ok(last);
            }
        }
    }

    /// When each queue's next message is there to be received.
    pub(super) fn next_visible(&self) -> impl Iterator<Item = Option<Timestamp>> {
        let queues = [EVENTS_QUEUE, BULK_QUEUE].into_iter().chain(DEAD_LETTER_QUEUES);
        queues.map(|queue| self.world.sqs.next_visible_at(queue))
    }
}
