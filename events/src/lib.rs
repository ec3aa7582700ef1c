//! What may arrive at Tollgate, and nothing about what it means.
//!
//! An event never carries a command: it says only "look at this account". This
//! crate turns signed Stripe webhooks, Cognito triggers and CloudTrail records
//! into the one thing that travels on the queue, the [`Envelope`]. It is pure:
//! no clock, no network, no AWS.
//!
//! What an event comes to is decided in `tollgate_core`, and how it gets here is the functions'
//! business: this crate is given bytes, and gives back an envelope or says why there is none.
//!
//! Begin with [`Envelope`], then [`stripe::read`], [`cognito::read`] and [`cloudtrail::read`].
//!
//! **Architecture invariant:** nothing here decides who may use the API, and no
//! payload or personal data gets past this crate.
#![warn(missing_docs)]

pub mod cloudtrail;
pub mod cognito;
mod envelope;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod hostile;
mod id;
pub mod kind;
pub mod stripe;
#[cfg(test)]
mod versions;
pub mod wakes;

pub use envelope::{
    ENVELOPE_VERSION, Envelope, EnvelopeError, EventRef, Hint, MAX_ENVELOPE_BYTES, NamedAccount,
    Source, Subject, Via,
};
pub use id::{
    AccountId, ChargeId, CustomerId, DisputeId, EventId, IdError, PriceId, ProductId,
    SubscriptionId, check_opaque, check_word, digest, word_for,
};
