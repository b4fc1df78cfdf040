//! The suite that every driver passes, for authors of drivers (cargo feature `conformance`).
//!
//! A [`Fixture`] makes the driver, lets time pass and injects faults; [`assert_conforms`] tries every
//! [`RULES`] entry on it and names those that are broken. Rules speak of what the layers above rely
//! on: the order of joints is the robot file's, numbers are SI, nothing is shown as valid that was not
//! measured, nothing moves that was not asked to, and a stop stops.
//!
//! Time is the fixture's: a driver in virtual time is tried in virtual time, one with a thread for its
//! bus in real time. `docs/drivers.md` shows both in full.

mod faults;
mod fixture;
mod life_cycle;
mod mover;
mod rig;
mod rule;
mod stops;
mod units;

pub use fixture::{Fault, Fixture};
pub use rule::{RULES, Rule, Verdict, assert_conforms};
