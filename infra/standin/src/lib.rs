//! Strict in-memory models of exactly the AWS and Stripe operations that Tollgate calls.
//!
//! They speak HTTP, for the real SDKs, and each has a Rust face besides: to set a scene, to move
//! time, to look. Anything that is not modelled answers "not implemented", never a made-up success.
//! No AWS SDK inside, and nothing of Tollgate's: whoever needs the same services may take them.
//! There is no DynamoDB: for that an embedded one is run.
//!
//! **Architecture invariant:** nothing here knows what Tollgate wants; a stand-in
//! does what the real service is documented to do, and every call over HTTP is [logged](calls).

pub mod api_gateway;
pub mod calls;
pub mod clock;
pub mod cloudformation;
pub mod cognito;
pub mod lambda;
pub mod secrets_manager;
pub mod sqs;
pub mod stripe;
pub mod stub;
pub mod tls;
pub mod world;
