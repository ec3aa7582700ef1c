//! What becomes of a message when its batch is done: Lambda's part of it, and the handler's.

use crate::world::World;
use tollgate_core::batch::BatchReport;
use tollgate_standin::sqs::Message;

/// A message as it was received.
pub(crate) struct Receipt {
    /// The message's id.
    pub(crate) id: String,
    receipt: String,
    is_first: bool,
}

impl Receipt {
    pub(crate) fn of(message: &Message) -> Self {
        let Message { id, receipt, receive_count, .. } = message;
        Self { id: id.clone(), receipt: receipt.clone(), is_first: *receive_count == 1 }
    }

    /// Deletes the message if it is done with; when it failed for the first time, it comes again as
    /// soon as the report says.
    pub(crate) fn settle(&self, world: &World, queue: &str, report: &BatchReport) {
        if !report.failed.contains(&self.id) {
            return self.delete(world, queue);
        }
        if let Some(soon) = report.again.get(&self.id).filter(|_| self.is_first) {
            let _ = world.sqs.change_visibility(queue, &self.receipt, *soon);
        }
    }

    /// Deletes it, whatever became of it. Too late is no harm: then it comes again.
    pub(crate) fn delete(&self, world: &World, queue: &str) {
        let _ = world.sqs.delete(queue, &self.receipt);
    }
}
