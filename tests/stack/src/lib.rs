//! The test against a deployed stack. The scenarios, the contract suite and the call counts
//! are this package's tests.

pub mod coldstart;
pub mod deployed;
pub mod sizes;
