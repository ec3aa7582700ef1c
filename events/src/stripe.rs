//! What Stripe's webhook brings: its signature, and the little that is read of its events.

mod about;
mod event;
mod lenient;
mod metadata;
mod signature;
mod view;
mod whole;

pub use about::REFUNDED;
pub use event::{ACTED_ON, ReadError, Reading, read, read_listed};
pub use metadata::{METADATA_ACCOUNT, METADATA_PRICE, METADATA_PROOF, METADATA_STACK};
pub use signature::{MAX_HEADER_BYTES, SecretError, SignatureError, SigningSecret, sign, verify};
pub use whole::Whole;
