//! What is measured and tested of the deployed product: the deployed stack, cold starts,
//! sizes, reconciliations. The scenarios, the contract suite and the call counts are this
//! package's tests.

pub mod coldstart;
pub mod deployed;
pub mod reconciled;
pub mod sizes;
