//! The built-in skills on the simulated robot.

#![allow(clippy::unwrap_used)]

mod carry_out;
mod rig;
mod takeover;
