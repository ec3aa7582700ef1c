//! The operator's command `tollgate`.
//!
//! It parses, calls and prints, and nothing more: what an operator does is in `tollgate_operator`,
//! and most of what is called on AWS and Stripe in `tollgate_functions::adapters`. No function is
//! built with it.
//!
//! Begin with [`cli`]; what `tollgate doctor` gathers is in [`doctor`], what only the command calls
//! in [`adapters`].
#![warn(missing_docs)]

pub mod adapters;
pub mod cli;
pub mod doctor;
mod mend;
