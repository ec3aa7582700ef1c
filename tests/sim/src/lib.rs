//! Deterministic simulation of Tollgate and its oracle.
