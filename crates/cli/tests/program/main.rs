//! The program as a user starts it, in simulated time.
#![allow(clippy::unwrap_used)]

mod check_files;
mod determinism;
mod evaluation;
mod plans;
mod policies;
mod readme;
mod refusals;
#[path = "../support/mod.rs"]
mod support;
