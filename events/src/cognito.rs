//! TBD
pub const CATCH_UP: &str = "catch_up";
