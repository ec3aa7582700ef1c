//! Tollgate as a whole, over HTTP, in one process, on a virtual clock.

mod scenarios;
mod shop;
