//! The whole stack over HTTP: the real adapters on the stand-ins.

mod contract;
