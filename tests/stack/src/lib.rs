//! Scenarios, contract suite and call counts over HTTP; the deployed-stack test.

pub mod deployed;
