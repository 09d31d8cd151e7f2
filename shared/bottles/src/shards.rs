//! Work in equal parts.

use longshore_events::transfer::TransferItem;

/// Splits `items` by their bytes into at most `max` parts, each at least `smallest` bytes, as even as can
/// be; bottles of equal content stay together. Nothing gives no part.
pub fn split(_items: Vec<TransferItem>, _max: u32, _smallest: u64) -> Vec<Vec<TransferItem>> {
    todo!()
}

/// JSON lines.
pub fn write(_items: &[TransferItem]) -> Vec<u8> {
    todo!()
}

/// Reads JSON lines.
///
/// # Errors
/// The line and what is wrong there.
pub fn read(_text: &[u8]) -> Result<Vec<TransferItem>, String> {
    todo!()
}
