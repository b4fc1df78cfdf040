//! The built-in skills on the simulated robot.

#![allow(clippy::unwrap_used)]

mod carry_out;
mod policy_skills;
mod rig;
mod takeover;
