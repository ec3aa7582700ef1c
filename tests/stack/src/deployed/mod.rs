//! The checks of what is deployed.

pub mod build;
pub mod permissions;
