//! `cargo deployed`: the template, the binaries and a customer's life, without AWS.

pub mod assertions;
pub mod lint;
pub mod python;
pub mod translate;
