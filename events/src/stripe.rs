//! What Stripe's webhook brings: its signature, and the little that is read of its events.

mod event;
mod family;
mod lenient;
mod signature;
mod view;

pub use event::{
    ACTED_ON, METADATA_ACCOUNT, METADATA_PRICE, METADATA_PROOF, ReadError, Reading, read,
    read_listed,
};
pub use signature::{MAX_HEADER_BYTES, SecretError, SignatureError, SigningSecret, sign, verify};
