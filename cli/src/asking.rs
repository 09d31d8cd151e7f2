//! Asking whoever is there before something is done that cannot be undone.

use std::io::{self, BufRead, IsTerminal};

use anyhow::bail;

use crate::terminal;

/// Says what is about to be done and lets the person type `name`; anything else is a no.
///
/// # Errors
/// When it is not what they typed, and where nobody can be asked.
pub fn confirm(what: &str, name: &str) -> anyhow::Result<()> {
    let (input, output) = (io::stdin(), io::stderr());
    if !(input.is_terminal() && output.is_terminal()) {
        bail!(
            "{what}: nobody can be asked here, so say it with --yes; --dry-run says what would be done"
        );
    }
    terminal::note(&format!("{what}.\nType {name} to go on:"));
    let mut typed = String::new();
    input.lock().read_line(&mut typed)?;
    if typed.trim() != name {
        bail!("nothing was done: {:?} is not {name}", typed.trim());
    }
    Ok(())
}
