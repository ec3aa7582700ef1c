//! What measures and tries the deployed form: the deployed-stack test, cold starts, sizes. The
//! scenarios, the contract suite and the call counts are this package's tests.

pub mod coldstart;
pub mod deployed;
pub mod sizes;
