//! Which parameters Stripe's operations take, modelled here or not.
//!
//! Only the names at the top level: what is within one that Stripe takes is not judged.

/// An operation with its names on each line; `parameters.py` writes it.
const OPERATIONS: &str = include_str!("parameters.txt");

/// Whether Stripe has such an operation, by its name (`GET /v1/customers/search`).
pub(super) fn knows(operation: &str) -> bool {
    names(operation).is_some()
}

/// Whether an operation of Stripe's takes a parameter, `items[0][quantity]`. Of an operation
/// that is not listed nobody knows.
pub(super) fn takes(operation: &str, parameter: &str) -> bool {
    let name = parameter.split('[').next().unwrap_or_default();
    names(operation).is_none_or(|names| names.split(' ').any(|it| it == name))
}

fn names(operation: &str) -> Option<&'static str> {
    OPERATIONS.lines().find_map(|line| line.strip_prefix(operation)?.strip_prefix(':'))
}
