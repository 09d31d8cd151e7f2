//! The task that brings bottles over: wiring, nothing else.

fn main() {}
