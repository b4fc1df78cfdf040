//! The driver with a simulated robot at the other end of the bus.
#![allow(clippy::unwrap_used)]

mod conformance;
mod controllers;
mod life_cycle;
mod loss;
mod peer;
mod plant;
mod rig;
mod robots;

/// Aborts the test when code marked as real-time safe allocates.
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;
