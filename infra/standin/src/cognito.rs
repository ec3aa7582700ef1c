//! One Cognito user pool: exactly what Tollgate calls, and what its customers'
//! browsers need to sign up and sign in on a local stack.
//!
//! Users, their attributes under a schema, tokens, Lambda triggers and CloudTrail
//! records behave as AWS documents them; and the managed login with its pages. Not here: groups, MFA, SRP,
//! user names that ignore case.

mod actions;
mod changes;
mod cloudtrail;
mod directory;
mod error;
mod hook;
mod http;
mod listing;
mod login;
mod model;
mod operations;
mod requests;
mod schema;
mod session;
mod signing;
mod standin;
mod tokens;
mod triggers;
mod user;
mod views;

pub use error::{Code, CognitoError};
pub use hook::{TriggerFuture, Triggers};
pub use http::router;
pub use listing::PAGE;
pub use schema::{AppClient, CustomAttribute, PoolConfig, TokenEvent, TriggerConfig};
pub use session::SignIn;
pub use signing::TokenError;
pub use standin::CognitoStandin;
pub use tokens::{Claims, Tokens};
pub use user::{User, UserStatus};

#[cfg(test)]
mod tests;
