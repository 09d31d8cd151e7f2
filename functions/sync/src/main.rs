//! The `sync` function: wiring, nothing else.

fn main() {}
