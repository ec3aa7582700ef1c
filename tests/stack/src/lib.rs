//! What is measured and tested of the whole product: the deployed stack, cold starts, sizes,
//! reconciliations, each with a binary of its own.
//!
//! The stories, the contract of the stand-ins, faults on the wire, the command and the runbook are
//! this package's tests, in `tests/stack`. What can go wrong in one process is simulated in
//! `tollgate_sim` and not told here again.
//!
//! Begin with `tests/stack/scenarios`.

use std::path::{Path, PathBuf};

pub mod coldstart;
pub mod deployed;
pub mod reconciled;
pub mod sizes;
pub mod walk;

/// The repository's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
