//! Experts, and the policies that were taught by them.

#![allow(clippy::unwrap_used)]

mod experts;
mod shipped;
