//! The operator's command `tollgate`.
//!
//! It parses, calls and prints, and nothing more: what is decided is decided in `tollgate_core`, what is
//! called on AWS and Stripe is in `tollgate_functions::adapters`. It is no Lambda function and none
//! of its dependencies are built into one.
//!
//! Begin with [`cli`]; what `tollgate doctor` gathers is in [`doctor`].
#![warn(missing_docs)]

pub mod adapters;
pub mod cli;
pub mod doctor;
mod mend;
