//! `cargo deployed`.

fn main() {}
