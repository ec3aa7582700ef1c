//! The ledger in memory: what the DynamoDB table promises, without DynamoDB.
//!
//! One lock makes each call atomic, so there is no transaction conflict to retry;
//! every other condition of the table is kept: epoch, lease, catalog revision,
//! links, history without overwriting. It says nothing about DynamoDB's limits
//! (100 items to a transaction, 400 KB to an item): those are the adapter's.

mod loss;
mod memory;
mod planted;
mod port;
mod store;

pub use memory::{Backup, Mark, MemoryLedger, PAGE_SIZE};

#[cfg(test)]
mod tests;
