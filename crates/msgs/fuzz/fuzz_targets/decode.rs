//! Any bytes as any message of our wire, through the decoder that the bus uses: no panic, memory in proportion to the
//! bytes, and what was a message is the same one after it went over the wire again.
//!
//! The first byte chooses the type, the rest is the payload with its header.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/msgs/bound.rs"]
mod bound;
#[path = "../../tests/msgs/random.rs"]
mod random;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/msgs/types.rs"]
mod types;

static MESSAGES: LazyLock<Vec<types::Message>> = LazyLock::new(types::all_messages);

fuzz_target!(|input: &[u8]| {
    let Some((choice, payload)) = input.split_first() else { return };
    let message = &MESSAGES[usize::from(*choice) % MESSAGES.len()];
    if bound::decodes_within_bound(message, payload) {
        let (once, _) = (message.again)(payload);
        let (twice, _) = (message.again)(&once);
        assert_eq!(once, twice, "{}", message.name);
    }
});
