//! Bytes that are no message: an error at most, and memory in proportion to the bytes.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sinew_msgs::{cdr, sinew_msgs as sinew, std_msgs};

use crate::bound::decodes_within_bound;
use crate::types::{Message, all_messages};

/// Payloads per type; fewer of MoveIt's, which are large.
fn payloads(name: &str) -> u64 {
    if name.starts_with("moveit_msgs/") { 500 } else { 10_000 }
}

/// An instance, spoilt in one of the ways in which a wire or an enemy spoils it.
fn spoilt(message: &Message, seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut bytes, _) = (message.random)(seed / 5 % 50);
    match seed % 5 {
        0 => bytes.truncate(rng.random_range(0..bytes.len())),
        // Lengths that are not there, at any place that may be one.
        1 => {
            let places = (bytes.len() - 4) / 4;
            if places > 0 {
                let at = 4 + 4 * rng.random_range(0..places);
                let length: u32 = [u32::MAX, 1 << 31, 100_000_000, 65_536][rng.random_range(0..4)];
                bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
            }
        }
        2 => bytes[..4].copy_from_slice(&rng.random::<[u8; 4]>()),
        3 => {
            let length = rng.random_range(0..512);
            bytes = (0..length).map(|_| rng.random()).collect();
            let kept = bytes.len().min(4);
            bytes[..kept].copy_from_slice(&cdr::HEADER[..kept]);
        }
        _ => {
            for _ in 0..rng.random_range(1..8) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
        }
    }
    bytes
}

#[test]
fn bytes_that_are_no_message_cost_an_error_and_memory_in_proportion() {
    for message in all_messages() {
        let mut refused = 0;
        for seed in 0..payloads(message.name) {
            let bytes = spoilt(&message, seed);
            refused += u64::from(!decodes_within_bound(&message, &bytes));
        }
        // Random bytes are a good message of a type of a few numbers; a wrong header is one of none.
        assert!(refused > payloads(message.name) / 6, "{}: {refused} refused", message.name);
    }
}

#[test]
fn lengths_that_the_bytes_cannot_hold_cost_nothing() {
    // WorldObjects: empty header, then 100 million objects of half a kilobyte, none of them there.
    let mut bytes = cdr::encode(&sinew::WorldObjects::default()).unwrap();
    let count = bytes.len() - 4;
    bytes[count..].copy_from_slice(&100_000_000_u32.to_le_bytes());
    assert!(matches!(cdr::decode::<sinew::WorldObjects>(&bytes), Err(cdr::CdrError::Body { .. })));
    bytes[count..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(cdr::decode::<sinew::WorldObjects>(&bytes), Err(cdr::CdrError::Body { .. })));
    let long = vec![0; cdr::MAX_PAYLOAD_BYTES + 1];
    assert!(matches!(cdr::decode::<std_msgs::Bool>(&long), Err(cdr::CdrError::TooLong { .. })));
    assert!(matches!(
        cdr::decode::<std_msgs::Bool>(&[0, 0, 0, 0, 1]),
        Err(cdr::CdrError::Header { .. })
    ));
    assert!(matches!(cdr::decode::<std_msgs::Bool>(&[]), Err(cdr::CdrError::Header { .. })));
}
