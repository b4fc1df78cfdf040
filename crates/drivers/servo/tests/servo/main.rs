//! The driver on emulated buses: in virtual time, and on a real port in real time.
#![allow(clippy::unwrap_used)]

mod codec;
mod conformance;
mod fair_port;
mod fault_sequences;
mod life_cycle;
mod no_alloc;
mod pseudo_terminal;
mod rig;
mod robots;

/// Aborts the test when code marked as real-time safe allocates.
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;
