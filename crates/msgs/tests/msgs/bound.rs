//! The memory that decoding may take, whatever the bytes claim.

use crate::types::Message;

/// Memory at most, per byte of payload. A sequence grows as its elements arrive, at most to twice what is there, and no
/// element's struct is larger than this half times its bytes.
const BYTES_PER_BYTE: u64 = 64;

/// For what does not depend on the payload: the smallest a sequence grows to, and an error's words.
const BYTES: u64 = 4096;

/// Whether `bytes` are a message.
///
/// # Panics
/// If it took more memory than it may to tell.
pub(crate) fn decodes_within_bound(message: &Message, bytes: &[u8]) -> bool {
    let mut is_message = false;
    let used = allocation_counter::measure(|| is_message = (message.decodes)(bytes));
    let allowed = BYTES + BYTES_PER_BYTE * bytes.len() as u64;
    assert!(
        used.bytes_max <= allowed,
        "{}: {} bytes for a payload of {}; allowed: {allowed}",
        message.name,
        used.bytes_max,
        bytes.len()
    );
    is_message
}
