//! What time will do, and the clocks that it is done by.

use std::collections::BTreeSet;

use jiff::Timestamp;

/// What is due. At the same time the earlier kinds go first: a subscription that is
/// cancelled with its period is not renewed, and one whose price changes with it is renewed at
/// the new one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::stripe) enum Due {
    CancelAt(String),
    FirstPaymentExpiry(String),
    CollectionResumes(String),
    TrialWillEnd(String),
    TrialEnd(String),
    Upcoming(String),
    PhaseBegins(String),
    PeriodEnd(String),
    Finalize(String),
    Retry(String),
    Overdue(String),
    SessionExpiry(String),
}

/// A test clock.
#[derive(Debug, Clone)]
pub(in crate::stripe) struct TestClock {
    pub(in crate::stripe) id: String,
    pub(in crate::stripe) created: Timestamp,
    pub(in crate::stripe) frozen_time: Timestamp,
    pub(in crate::stripe) name: Option<String>,
    pub(in crate::stripe) agenda: BTreeSet<(Timestamp, Due)>,
}
