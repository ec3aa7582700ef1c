//! The whole product in one process on the stand-ins.

pub mod access;
pub mod customer;
pub mod demo;
pub mod faults;
pub mod front;
pub mod functions;
pub mod guide;
pub mod invariants;
pub mod outputs;
pub mod secrets;
pub mod stack;
pub mod timeline;
