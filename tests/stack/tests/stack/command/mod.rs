//! The operator's command, in this process, on the local stack.

mod doctor;
