//! Messages to and from CDR (little endian, with the 4-byte encapsulation header), as on ROS 2's
//! wire and in its log files.

use hiroz_cdr::{CdrSerializer, LittleEndian, ZBUF_DESER_SOURCE};
use serde::{Serialize, de::DeserializeOwned};
use zenoh_buffers::ZBuf;
use zenoh_buffers::buffer::{Buffer, SplitBuffer};

/// The encapsulation header: plain CDR, little endian, no options.
pub const HEADER: [u8; 4] = [0, 1, 0, 0];

/// Payloads above this are refused before they are decoded: 64 MiB.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024 * 1024;

/// Bytes that are not the message they should be, or a message that has no CDR form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CdrError {
    /// Longer than [`MAX_PAYLOAD_BYTES`].
    #[error("CDR payload of {actual_bytes} bytes; at most {MAX_PAYLOAD_BYTES} are allowed")]
    TooLong {
        /// Length of the payload.
        actual_bytes: usize,
    },
    /// The encapsulation header is not [`HEADER`]'s kind.
    #[error("CDR header {actual:02x?}; only little-endian plain CDR, {HEADER:02x?}, is known")]
    Header {
        /// The first bytes of the payload, at most 4.
        actual: Vec<u8>,
    },
    /// The body does not fit the type.
    #[error("CDR body: {reason}")]
    Body {
        /// What the codec said.
        reason: String,
    },
}

/// Writes a message with its header.
///
/// # Errors
/// [`CdrError::Body`] for a type that CDR cannot express; never for a generated message.
pub fn encode<M: Serialize>(message: &M) -> Result<Vec<u8>, CdrError> {
    encode_sized(message, 256)
}

/// The same into a buffer that is made for so many bytes at first: who sends many messages of a kind knows how long they
/// are, and a long buffer that grows is copied again and again.
///
/// # Errors
/// As [`encode`].
pub fn encode_sized<M: Serialize>(message: &M, capacity: usize) -> Result<Vec<u8>, CdrError> {
    let mut buffer = Vec::with_capacity(capacity);
    buffer.extend_from_slice(&HEADER);
    let mut serializer = CdrSerializer::<LittleEndian>::new(&mut buffer);
    message.serialize(&mut serializer).map_err(|e| CdrError::Body { reason: e.to_string() })?;
    // ROS 2 gives a type without fields one byte that means nothing, and its readers insist on it.
    if buffer.len() == HEADER.len() {
        buffer.push(0);
    }
    Ok(buffer)
}

/// Reads a message with its header. Memory use is bounded by the length of `bytes`, whatever
/// lengths it claims inside: the serde route grows a sequence as its elements arrive.
///
/// # Errors
/// [`CdrError`] when the bytes are too long, have another header, or do not fit the type.
pub fn decode<M: DeserializeOwned>(bytes: &[u8]) -> Result<M, CdrError> {
    if bytes.len() > MAX_PAYLOAD_BYTES {
        return Err(CdrError::TooLong { actual_bytes: bytes.len() });
    }
    match bytes {
        [0, 1, _, _, body @ ..] => hiroz_cdr::from_bytes::<M, LittleEndian>(body)
            .map(|(message, _)| message)
            .map_err(|e| CdrError::Body { reason: e.to_string() }),
        _ => Err(CdrError::Header { actual: bytes.iter().copied().take(4).collect() }),
    }
}

/// Shorter payloads are copied: a view of a few bytes would keep the transport's whole buffer alive.
const SHARED_FROM_BYTES: usize = 16 * 1024;

/// As [`decode`], of a payload that is shared: byte sequences (`uint8[]`) of a long one become views of it, and are not
/// copied. A payload that came in pieces is joined first.
///
/// # Errors
/// As [`decode`].
pub fn decode_shared<M: DeserializeOwned>(payload: &ZBuf) -> Result<M, CdrError> {
    /// Also when decoding fails, nothing of the payload stays behind in the thread.
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            ZBUF_DESER_SOURCE.set(None);
        }
    }

    let length = payload.len();
    if !(SHARED_FROM_BYTES..=MAX_PAYLOAD_BYTES).contains(&length) {
        return decode(&payload.contiguous());
    }
    let whole = match payload.contiguous() {
        std::borrow::Cow::Borrowed(_) => payload.clone(),
        std::borrow::Cow::Owned(joined) => ZBuf::from(joined),
    };
    ZBUF_DESER_SOURCE.set(Some(whole.clone()));
    let _reset = Reset;
    decode(&whole.contiguous())
}
