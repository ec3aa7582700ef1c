//! The whole product in one process on the stand-ins.

pub mod front;
pub mod functions;
