//! What is listed in pages, and what of it cannot be read.

use std::fmt;

use tollgate_events::NamedAccount;

use super::failure::Service;

/// A page of a long listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
    /// The rows that could not be read. They are there, and nobody knows what they say: what is
    /// not among the items is not none.
    pub unreadable: Vec<Unreadable>,
}

impl<T> Page<T> {
    /// A page of which every row was read.
    pub fn whole(items: Vec<T>, next: Option<String>) -> Self {
        Self { items, next, unreadable: Vec::new() }
    }
}

/// A row of a listing that could not be read: it was left out, and is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{service} {operation}: {row}: {why}")]
pub struct Unreadable {
    /// Which system.
    pub service: Service,
    /// The service's own name of the operation.
    pub operation: &'static str,
    /// What it is called, as far as that can be read; cut, and fit for a terminal.
    pub row: String,
    /// Whose it is, as far as that can be read: of a subscription the customer's id, of an
    /// account, a user or a key the account's.
    pub owner: Option<String>,
    /// The account in its metadata, with our HMAC, as far as that can be read.
    pub named: Option<NamedAccount>,
    /// What is wrong with it; nothing of what it says.
    pub why: String,
}

impl Unreadable {
    /// How much of a row's name is told.
    const NAMED: usize = 64;

    /// A row of which this much is known.
    pub fn new(
        (service, operation): (Service, &'static str),
        name: Option<&str>,
        owner: Option<String>,
        why: impl fmt::Display,
    ) -> Self {
        let name = name.unwrap_or("a row without an id").chars();
        let row = name.take(Self::NAMED).flat_map(char::escape_debug).collect();
        Self { service, operation, row, owner, named: None, why: why.to_string() }
    }
}

/// The rows that long work had to leave out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub count: usize,
    /// The first of them, [`LeftOut::LISTED`] at most.
    pub first: Vec<Unreadable>,
}

impl LeftOut {
    /// How many are named.
    pub const LISTED: usize = 20;

    /// Counts rows, and keeps the first.
    pub fn add(&mut self, rows: &[Unreadable]) {
        self.count += rows.len();
        let room = Self::LISTED.saturating_sub(self.first.len());
        self.first.extend(rows.iter().take(room).cloned());
    }

    /// Counts what another had to leave out.
    pub fn join(&mut self, other: &Self) {
        let named = other.first.len();
        self.add(&other.first);
        self.count += other.count - named;
    }

    /// Whether every row was read.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first: Vec<_> = self.first.iter().map(ToString::to_string).collect();
        f.write_str(&first.join("; "))?;
        if self.count > first.len() {
            write!(f, "; and {} more", self.count - first.len())?;
        }
        Ok(())
    }
}
