//! `longshore` as a person runs it.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod arguments;
#[cfg(test)]
#[path = "../../src/dashboard/browser.rs"]
mod browser;
#[cfg(test)]
mod dashboard;
#[cfg(test)]
mod on_the_local_cloud;
#[cfg(test)]
mod stack_files;
#[cfg(test)]
mod sync_files;

/// The program, as it was built with these tests.
#[cfg(test)]
fn longshore() -> std::process::Command {
    std::process::Command::new(env!("CARGO_BIN_EXE_longshore"))
}
