//! The whole product in one process on the stand-ins.
