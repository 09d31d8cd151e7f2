//! Homebrew's signed index files, which are mirrored byte for byte.

use crate::selection::WantedBottle;

/// Checks that a `formula.jws.json` names nothing that `wanted` and `held` do not: a client would ask the
/// mirror for it.
///
/// # Errors
/// What is wrong: it is no signed file, or it names bottles of another generation.
pub fn check(
    _signed: &[u8],
    _selection: &crate::selection::Selection,
    _wanted: &[WantedBottle],
) -> Result<(), String> {
    todo!()
}
