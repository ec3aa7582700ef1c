//! The checks of what is deployed.

pub mod permissions;
