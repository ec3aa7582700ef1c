//! Tollgate's own wakes: nothing has happened outside, and an account is to be looked at.

/// The kind of a sweep's wake for an account whose time has come.
pub const DUE: &str = "due";

/// The kind of a sweep's wake for an account that was seen to differ.
pub const DRIFT: &str = "drift";

/// The kind of an owner's wake for their own account: they have come back from paying.
pub const REFRESH: &str = "refresh";

/// The kind of a worker's wake for an account that it had to leave between two plans.
pub const BETWEEN_PLANS: &str = "between-plans";

/// The same, where it is a replaced key alone: its successor works.
pub const OLD_KEY_BETWEEN_PLANS: &str = "old-key-between-plans";

/// The kind of the event with which an operator's link of a customer wakes its account.
pub const LINKED: &str = "operator.link";
