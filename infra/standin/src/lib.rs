//! Strict in-memory models of exactly the AWS and Stripe operations that Tollgate calls.
//!
//! Those that a worker calls have two faces: the ports (for simulation, no network) and HTTP (for
//! the real SDKs). What only the command calls (CloudFormation, Secrets Manager) has HTTP alone, and
//! the ledger in memory has ports alone: over HTTP there is an embedded DynamoDB. Anything that is not modelled answers "not implemented", never a
//! made-up success. No AWS SDK inside.
//!
//! **Architecture invariant:** nothing here knows what Tollgate wants; a stand-in
//! does what the real service is documented to do, and every call is logged. Only a
//! world in which a bug is [planted](bugs) does otherwise, to prove that it is caught.

pub mod api_gateway;
pub mod bugs;
pub mod clock;
pub mod cloudformation;
pub mod cognito;
pub mod gate;
pub mod ledger;
pub mod secrets_manager;
pub mod sqs;
pub mod stripe;
pub mod stub;
pub mod world;
