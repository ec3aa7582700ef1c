//! Deterministic simulation of Tollgate and its oracle.

pub mod executor;
