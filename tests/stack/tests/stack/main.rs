//! Tollgate as a whole, over HTTP, in one process, on a virtual clock.

mod bad_input;
mod calls;
mod demo;
mod scenarios;
mod shop;
