//! Messages: their bytes and hashes, and what bytes do that are none.

#![allow(clippy::unwrap_used, missing_docs)]

mod bound;
mod golden;
mod malformed;
mod random;
mod types;
