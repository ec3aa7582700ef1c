//! What tests have set: how reads lag, and what is shown otherwise than it is.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Subscription;

/// How subscriptions were: each as its events told it, since when.
#[derive(Debug, Default)]
pub(in crate::stripe) struct Past {
    pub(in crate::stripe) lag: SignedDuration,
    pub(in crate::stripe) told: BTreeMap<String, Vec<(Timestamp, Subscription)>>,
}

/// Laid over objects: by id, at a JSON pointer, whatever text.
#[derive(Debug, Default)]
pub(in crate::stripe) struct Oddities(
    pub(in crate::stripe) BTreeMap<String, BTreeMap<String, String>>,
);
