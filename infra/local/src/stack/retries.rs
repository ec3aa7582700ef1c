//! What failed comes again: by SQS's redelivery, by Stripe's retries, by whoever called.

use anyhow::bail;
use jiff::Timestamp;
use tollgate_billing::policy::SECOND_LOOK_AFTER;
use tollgate_billing::ports::Ledger;
use tollgate_standin::world::{BULK_QUEUE, DEAD_LETTER_QUEUES, EVENTS_QUEUE, VISIBILITY};

use super::Stack;

/// How often something that failed is tried at most, at once and over time.
const MOST_TRIES: usize = 50;
const MOST_WAITS: usize = 200;

impl Stack {
    /// Waits until nothing that failed is left to come again: SQS's redelivery, Stripe's
    /// retries, second looks. Without faults, nothing does.
    ///
    /// # Errors
    /// As for [`settle`](Self::settle); or there is no end of it.
    pub async fn wait_out(&self) -> anyhow::Result<()> {
        for _ in 0..MOST_WAITS {
            self.settle().await?;
            let now = self.clock().time();
            // Whose time has come already has a wake in a queue.
            let mut due = self.due_until(now.checked_add(VISIBILITY)?).await?;
            due.retain(|at| *at > now);
            let second_look = due.iter().filter(|at| now.duration_until(**at) <= SECOND_LOOK_AFTER);
            let Some(again) = self.next_retry().chain(second_look.copied()).min() else {
                return Ok(());
            };
            if now.duration_until(again) <= VISIBILITY && due.iter().all(|at| *at > again) {
                // No sweep would find anything.
                self.world.stripe.advance_to(again);
            } else {
                self.advance(now.duration_until(again)).await?;
            }
        }
        bail!("what failed comes again without end")
    }

    /// How often a caller that does not give up calls: EventBridge for a day, a schedule
    /// every minute, a person who was told to try again.
    pub(crate) fn tries(&self) -> usize {
        if self.faults.is_some() { MOST_TRIES } else { 1 }
    }

    /// When messages and deliveries that failed come again.
    fn next_retry(&self) -> impl Iterator<Item = Timestamp> {
        let now = self.clock().time();
        let delivery = self.world.stripe.account().next_delivery();
        let times = std::iter::once(delivery).chain(self.next_visible());
        times.flatten().filter(move |at| *at > now)
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

    /// When each queue's next message is there to be received.
    pub(super) fn next_visible(&self) -> impl Iterator<Item = Option<Timestamp>> {
        let queues = [EVENTS_QUEUE, BULK_QUEUE].into_iter().chain(DEAD_LETTER_QUEUES);
        queues.map(|queue| self.world.sqs.next_visible_at(queue))
    }
}
