//! Physics, world files and pictures, in virtual time.
#![allow(clippy::unwrap_used)]

mod arm;
mod balance;
mod base;
mod bases;
mod conformance;
mod driver;
mod grasp;
mod modes;
mod pictures;
mod rig;
mod worlds;

/// Aborts the test when code marked as real-time safe allocates.
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;
